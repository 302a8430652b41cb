import { readFileSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { lineReader, type ProxyStatement } from '../spec/resolver/proxy.ts';
import { Proxies } from './proxies.ts';

/** Nothing to proxy for so long ends the process, also while an engine is there: the next port starts it again. */
const lingerMs = 10_000;
/** How often it looks whether containers are still there while no engine says so. */
const orphanCheckMs = 2_000;
const longestStatement = 8 << 20;

/**
 * The life of the proxy process: takes statements on a unix socket and ends when there is nothing to do. It goes on
 * when the engine dies, until the containers are gone or an engine comes back. `ended` is called once.
 */
export function serveProxies(socketPath: string, ended: () => void): void {
  const proxies = new Proxies();
  const engines = new Set<Socket>();
  const server = createServer((engine) => {
    engines.add(engine);
    engine.setEncoding('utf8');
    const answer = async (line: string): Promise<void> => {
      const { ports } = JSON.parse(line) as ProxyStatement;
      engine.write(`${JSON.stringify(await proxies.set(ports))}\n`);
    };
    engine.on(
      'data',
      lineReader(longestStatement, (line) => void answer(line).catch(() => engine.destroy())),
    );
    engine.on('error', () => undefined);
    engine.on('close', () => {
      engines.delete(engine);
      if (engines.size === 0) void dropOrphans();
    });
  });

  let idleSince = performance.now();
  let over = false;
  const end = (): void => {
    if (over) return;
    over = true;
    clearInterval(timer);
    server.close();
    rmSync(socketPath, { force: true });
    for (const engine of engines) engine.destroy();
    ended();
  };
  const dropOrphans = async (): Promise<void> => {
    const present = interfaceNames();
    await proxies.set(proxies.ports.filter((port) => present.has(port.interface)));
    if (engines.size === 0 && proxies.ports.length === 0) end();
  };
  const timer = setInterval(() => {
    if (proxies.ports.length > 0) idleSince = performance.now();
    else if (performance.now() - idleSince > lingerMs) return end();
    if (engines.size === 0) void dropOrphans();
  }, orphanCheckMs);

  server.on('error', end);
  rmSync(socketPath, { force: true });
  server.listen(socketPath);
}

/** The interfaces of this process's network namespace (proc_pid_net(5)). */
function interfaceNames(): Set<string> {
  const lines = readFileSync('/proc/self/net/dev', 'utf8').split('\n');
  return new Set(lines.map((line) => line.slice(0, Math.max(0, line.indexOf(':'))).trim()));
}
