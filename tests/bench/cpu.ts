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

/** A tick of `/proc/PID/stat` in milliseconds. */
const tickMs = 10;

/**
 * Like `cpuTime`, but with threads and waited-for children that have ended meanwhile, as a build has them; to 10 ms a
 * process.
 */
export async function cpuTimeOfAll(peer: Peer): Promise<number> {
  let ticks = 0;
  for (const pid of await peer.enginePids()) {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    // From the state on, which comes after the name: utime, stime, cutime and cstime are fields 14 to 17.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    ticks += fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  }
  return ticks * tickMs;
}
