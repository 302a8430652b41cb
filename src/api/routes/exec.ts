import { messageOf } from '../../base/errors.ts';
import { decodeCreateExec, decodeStartExec } from '../../spec/decode/exec.ts';
import { invalid } from '../../base/errors.ts';
import { queryTerminalSize } from '../../spec/decode/query.ts';
import { parseDetachKeys } from '../hijack/detach-keys.ts';
import { hijack, serveStdio, type StdioWishes } from '../hijack/session.ts';
import { watchClient } from '../hijack/client-watch.ts';
import { endStream } from '../hijack/takeover.ts';
import type { Exchange } from '../http/exchange.ts';
import type { ExecService, StartedExec } from '../services/exec.ts';
import type { Handlers } from './handlers.ts';

export function execHandlers(execs: ExecService): Handlers {
  return {
    async ContainerExec(exchange) {
      const body = await exchange.json();
      if (body === undefined) throw invalid('invalid JSON: got EOF while reading request body');
      const request = decodeCreateExec(body);
      parseDetachKeys(request.DetachKeys);
      exchange.send(201, { Id: await execs.create(exchange.param('id'), request) });
    },
    ExecStart: (exchange) => start(exchange, execs),
    async ExecResize(exchange) {
      const { rows, columns } = queryTerminalSize(exchange.query);
      await execs.resize(exchange.param('id'), rows, columns);
      exchange.empty(200);
    },
    async ContainerExecList(exchange) {
      exchange.send(200, await execs.list(exchange.param('id')));
    },
    async ExecKill(exchange) {
      const signal = exchange.text('signal');
      await execs.kill(exchange.param('id'), signal === '' ? undefined : signal);
      exchange.empty(204);
    },
    async ExecInspect(exchange) {
      exchange.send(200, await execs.inspect(exchange.param('id')));
    },
  };
}

async function start(exchange: Exchange, execs: ExecService): Promise<void> {
  const id = exchange.param('id');
  const { Detach: detach, Tty: framesForTty, ConsoleSize: consoleSize } = decodeStartExec(await exchange.json());
  const size = consoleSize === undefined || exchange.minor < 42 ? {} : { consoleSize };
  const exec = await execs.startable(id);
  if (detach) {
    await execs.start(id, { sinks: [], ...size });
    exchange.empty(200);
    return;
  }
  const wishes: StdioWishes = {
    tty: exec.tty,
    // As with Docker, the start request decides about the frames, and not the exec.
    multiplexed: !framesForTty,
    stdin: exec.openStdin,
    stdout: exec.stdout ?? true,
    stderr: exec.stderr ?? true,
    detachKeys: parseDetachKeys(exec.detachKeys),
  };
  await exchange.settle();
  const client = hijack(exchange, wishes);
  let started: StartedExec;
  try {
    started = await execs.start(id, { sinks: [client.sink], ...size });
  } catch (error) {
    // The status is gone: the reason goes where the output would have gone, and the exit code says the rest.
    exchange.log.info('exec failed to start', { exec: id, error: messageOf(error) });
    client.sink.write(1, Buffer.from(`${messageOf(error)}\r\n`));
    endStream(client.stream);
    return;
  }
  if (exec.killOnDisconnect !== true) {
    await serveStdio(client, wishes, started.stdio);
    return;
  }
  const watch = watchClient(client, wishes);
  try {
    const detached = await serveStdio(client, wishes, started.stdio);
    if (!detached) await execs.clientGone(id);
  } finally {
    watch.stop();
  }
}
