import { readdir, readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import type { TestEngine } from './engine.ts';

/** The event loop of the engine may be away so long, in milliseconds. */
const longestDelay = 50;

/**
 * Asks the engine for `/_ping` again and again while `work` runs. Time in which this machine had no processor for the
 * engine or for the test is not counted, as other tests run beside this one, and neither is time in which this process was at
 * work itself: it makes and sends what the engine works at.
 * @throws Error when an answer took longer than 50 ms
 */
export async function answeringMeanwhile<T>(engine: TestEngine, work: () => Promise<T>): Promise<T> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const state = { isOver: false };
  let longest = 0;
  const pings = async (): Promise<void> => {
    while (!state.isOver) {
      const before = await waits(engine.pid);
      const ownBefore = process.threadCpuUsage();
      const started = performance.now();
      await ping(engine, agent);
      const took = performance.now() - started;
      const { user, system } = process.threadCpuUsage(ownBefore);
      const own = (user + system) / 1000;
      if (took > longest)
        longest = Math.max(longest, took - own - starved(engine.pid, before, await waits(engine.pid)));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const pinging = pings();
  const result = await work().finally(() => {
    state.isOver = true;
  });
  await pinging;
  agent.destroy();
  if (longest > longestDelay) throw new Error(`the engine took ${longest.toFixed(1)} ms to answer /_ping`);
  return result;
}

/** For each thread of the engine, and for this process, the milliseconds that it stood in the run queue. */
async function waits(pid: number): Promise<Map<string, number>> {
  const threads = (await readdir(`/proc/${pid}/task`)).map((id) => `/proc/${pid}/task/${id}`);
  const found = new Map<string, number>();
  for (const path of [...threads, '/proc/self']) {
    const text = await readFile(`${path}/schedstat`, 'utf8').catch(() => '');
    found.set(path, Number(text.split(' ')[1] ?? 0) / 1e6);
  }
  return found;
}

/**
 * Milliseconds by which an answer may have been late only because this machine had no processor: for this process, for
 * the engine's main thread, or for the one of its other threads that waited longest and may have held a lock.
 */
function starved(pid: number, before: Map<string, number>, after: Map<string, number>): number {
  const main = `/proc/${pid}/task/${pid}`;
  const waited = (path: string): number => (after.get(path) ?? 0) - (before.get(path) ?? 0);
  const others = [...after.keys()].filter((path) => path !== main && path !== '/proc/self' && before.has(path));
  return waited('/proc/self') + waited(main) + Math.max(0, ...others.map(waited));
}

function ping(engine: TestEngine, agent: Agent): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const call = request({ socketPath: engine.paths.socket, path: '/_ping', agent }, (response) => {
    response.on('end', resolve).on('error', reject).resume();
  });
  call.on('error', reject);
  call.end();
  return promise;
}
