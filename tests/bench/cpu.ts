import { readdir, readFile } from 'node:fs/promises';
import type { Peer } from './engines.ts';

/** Milliseconds of processor time that the engine's own processes have used so far, all their threads. */
export async function cpuTime(peer: Peer): Promise<number> {
  let nanoseconds = 0;
  for (const pid of await peer.enginePids()) {
    for (const task of await readdir(`/proc/${pid}/task`)) {
      // A thread that has just ended has used what it used before the clock was read first, or is a few ms.
      const text = await readFile(`/proc/${pid}/task/${task}/schedstat`, 'utf8').catch(() => '0');
      nanoseconds += Number(text.split(' ')[0]);
    }
  }
  return nanoseconds / 1e6;
}
