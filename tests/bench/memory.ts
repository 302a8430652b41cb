import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { uniqueName } from '../support/engine.ts';
import { type BenchImages, docker } from './cases.ts';
import type { Peer } from './engines.ts';

/** Memory of one engine in MiB. */
export interface MemoryUse {
  readonly idle: number;
  readonly withContainers: number;
  /** Proportional share of one monitor: memory that monitors share counts once. */
  readonly perMonitor: number;
}

export const memoryContainers = 50;

/** An engine is at rest when it has had nothing to do for so long, in milliseconds. */
const restMs = 15_000;

/** Measures the engine at rest, then with 50 running containers, again at rest. */
export async function measureMemory(peer: Peer, images: BenchImages): Promise<MemoryUse> {
  await setTimeout(restMs);
  const idle = await residentSize(peer);
  const names = Array.from({ length: memoryContainers }, () => uniqueName('memory'));
  for (const name of names) await docker(peer, 'run', '-d', '--name', name, images.busybox, 'sleep', '100000');
  await setTimeout(restMs);
  const withContainers = await residentSize(peer);
  const monitors = await peer.monitorPids();
  const shares = await Promise.all(monitors.map((pid) => fieldOf(`/proc/${pid}/smaps_rollup`, 'Pss')));
  const perMonitor = shares.reduce((sum, share) => sum + share, 0) / memoryContainers;
  await docker(peer, 'rm', '-f', ...names);
  return { idle, withContainers, perMonitor };
}

const residentSize = (peer: Peer): Promise<number> => sizeOf(peer, 'VmRSS');

/** The most memory that the engine's processes have had since `forgetPeak`, each at its own time, in MiB. */
export const peakSize = (peer: Peer): Promise<number> => sizeOf(peer, 'VmHWM');

/** Lets the peak of each of the engine's processes start anew from what it has now: proc_pid_clear_refs(5). */
export async function forgetPeak(peer: Peer): Promise<void> {
  for (const pid of await peer.enginePids()) await writeFile(`/proc/${pid}/clear_refs`, '5');
}

async function sizeOf(peer: Peer, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const pids = await peer.enginePids();
  if (pids.length === 0) throw new Error(`no process of ${peer.name} was found`);
  const sizes = await Promise.all(pids.map((pid) => fieldOf(`/proc/${pid}/status`, field)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** A line like `VmRSS:   1024 kB`, in MiB. */
async function fieldOf(path: string, field: string): Promise<number> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) / 1024;
}
