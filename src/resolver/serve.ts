import { readFileSync, rmSync } from 'node:fs';
import {
  longestLine,
  resolverProtocol,
  type ResolverAnswer,
  type ResolverStatement,
} from '../spec/resolver/control.ts';
import { closeFd } from '../sys/ffi/descriptor.ts';
import { connectLines, LineSocket, listenForLines } from '../sys/socket/line-socket.ts';
import { NameServers } from './dns/servers.ts';
import { Proxies } from './proxy/proxies.ts';

/** Nothing to do for so long ends the process, also while an engine is there: the next port or container starts it again. */
const lingerMs = 10_000;
/** How often it looks whether containers are still there while no engine says so. */
const orphanCheckMs = 2_000;

/**
 * The life of the resolver process: takes statements on a unix socket and ends when there is nothing to do. It goes on
 * when the engine dies, until the containers are gone or an engine comes back. `ended` is called once.
 */
export function serveResolver(socketPath: string, ended: () => void): void {
  const proxies = new Proxies();
  const engines = new Set<LineSocket>();
  const names = new NameServers(
    () => {
      if (engines.size === 0) void dropOrphans();
    },
    () => {
      for (const engine of engines) engine.receive();
    },
  );
  const connected = (fd: number): void => {
    const engine: LineSocket = new LineSocket(fd, longestLine, {
      line(text, descriptors) {
        const broken = (): void => {
          engine.close();
          left();
        };
        try {
          const statement = JSON.parse(text) as ResolverStatement;
          if (statement.do === 'leave' && isIdle()) return end();
          workOff(statement, descriptors, { names, proxies }).then(
            (answer) => engine.send(JSON.stringify(answer)),
            broken,
          );
        } catch {
          for (const one of descriptors) closeFd(one);
          broken();
        }
      },
      ended: () => left(),
    });
    const left = (): void => {
      engines.delete(engine);
      if (engines.size === 0) void dropOrphans();
    };
    engines.add(engine);
  };

  let idleSince = performance.now();
  let over = false;
  const end = (): void => {
    if (over) return;
    over = true;
    clearInterval(timer);
    listening?.[Symbol.dispose]();
    rmSync(socketPath, { force: true });
    for (const engine of engines) engine.close();
    ended();
  };
  // The host's programs are served for as long as an engine is there, with containers or without.
  const isIdle = (): boolean =>
    proxies.ports.length === 0 && names.count === 0 && (engines.size === 0 || !names.isListening);
  const dropOrphans = async (): Promise<void> => {
    const present = interfaceNames();
    names.dropOrphans();
    await proxies.set(proxies.ports.filter((port) => present.has(port.interface)));
    if (engines.size === 0 && isIdle()) end();
  };
  const timer = setInterval(() => {
    if (!isIdle()) idleSince = performance.now();
    else if (performance.now() - idleSince > lingerMs) return end();
    if (engines.size === 0) void dropOrphans();
  }, orphanCheckMs);

  // Another one may be at work: engines that follow each other quickly may start two.
  const other = connectLines(socketPath, longestLine, { line: () => undefined, ended: () => undefined });
  if (other !== undefined) {
    other.close();
    clearInterval(timer);
    return ended();
  }
  rmSync(socketPath, { force: true });
  let listening: Disposable | undefined;
  try {
    listening = listenForLines(socketPath, connected);
  } catch {
    end();
  }
}

/** What an engine says is done at once but for ports, which take turns; so containers are told of in order. */
async function workOff(
  statement: ResolverStatement,
  [udp, tcp]: readonly number[],
  { names, proxies }: { readonly names: NameServers; readonly proxies: Proxies },
): Promise<ResolverAnswer> {
  const { number } = statement;
  switch (statement.do) {
    case 'ports':
      return { number, ...(await proxies.set(statement.ports)) };
    case 'change-ports':
      return { number, ...(await proxies.change(statement)) };
    case 'begin':
      names.announce(statement.containers);
      return { number, version: resolverProtocol };
    case 'forget':
      names.forget(statement.container);
      return { number };
    case 'container': {
      const { sandbox } = statement;
      const sockets = udp !== undefined && tcp !== undefined ? { udp, tcp } : undefined;
      return names.set(sandbox, sockets) ? { number } : { number, lacking: sandbox.container };
    }
    case 'listen':
      return { number, ...(await names.listen(statement.at)) };
    case 'leave':
      return { number };
  }
}

/** The interfaces of this process's network namespace (proc_pid_net(5)). */
function interfaceNames(): Set<string> {
  const lines = readFileSync('/proc/self/net/dev', 'utf8').split('\n');
  return new Set(lines.map((line) => line.slice(0, Math.max(0, line.indexOf(':'))).trim()));
}
