/** The thread that sends the logs of containers to the backends of their drivers. */
import { parentPort } from 'node:worker_threads';
import { Latch } from '../../base/async.ts';
import { messageOf } from '../../base/errors.ts';
import { logTag } from '../attributes.ts';
import { openDriver } from '../drivers/open.ts';
import { limitsOf } from '../settings/limits.ts';
import type { ShipAnswer, ShipRequest } from './protocol.ts';
import { shipLog } from './ship.ts';

interface Running {
  readonly ended: Latch;
  readonly stop: AbortController;
}

const running = new Map<number, Running>();
const answer = (message: ShipAnswer): void => parentPort?.postMessage(message);

async function start(request: Extract<ShipRequest, { op: 'start' }>, { ended, stop }: Running): Promise<void> {
  const { key, logPath, container, settings, hostname, pid } = request;
  const say = (level: 'info' | 'warn' | 'error', message: string, fields: Readonly<Record<string, unknown>> = {}) =>
    answer({ kind: 'say', key, level, message, fields: { driver: settings.driver, ...fields } });
  try {
    const complain = (what: string) => say('warn', what);
    const context = { container, settings, hostname, pid, tag: logTag(container, settings.options), complain };
    const { guardBytes } = limitsOf(settings);
    await shipLog({ logPath, driver: openDriver(context), guardBytes, ended, signal: stop.signal, say });
  } catch (error) {
    say('error', 'the log is not sent any more', { error: messageOf(error) });
  }
  running.delete(key);
  answer({ kind: 'over', key });
}

parentPort?.on('message', (request: ShipRequest) => {
  if (request.op === 'start') {
    const entry = { ended: new Latch(), stop: new AbortController() };
    running.set(request.key, entry);
    void start(request, entry);
  } else if (request.op === 'ended') running.get(request.key)?.ended.set();
  else running.get(request.key)?.stop.abort();
});
