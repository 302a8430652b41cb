/**
 * A monitor whose log reaches its guard size while the engine is away begins a new file and throws the old one away. A
 * small file beside the log remembers which file was the current one, so that this does not go unnoticed, and which
 * files began like that.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { fileIdentity, rotatedFiles } from './log-file.ts';

export interface LogState {
  /** Identity of the file that the monitor writes to. */
  readonly current: string | undefined;
  /** Identities of the files before which something was lost. */
  readonly cuts: readonly string[];
  /** How many files were dropped, ever, of which a log driver had sent nothing. */
  readonly dropped: number;
}

export const statePath = (logPath: string): string => `${logPath}.state`;

/** What is remembered; nothing when the file is missing or damaged. */
export async function readState(logPath: string): Promise<LogState> {
  try {
    const { current, cuts, dropped } = JSON.parse(await readFile(statePath(logPath), 'utf8')) as {
      current?: unknown;
      cuts?: unknown;
      dropped?: unknown;
    };
    return {
      current: typeof current === 'string' ? current : undefined,
      cuts: Array.isArray(cuts) ? cuts.filter((cut) => typeof cut === 'string') : [],
      dropped: typeof dropped === 'number' ? dropped : 0,
    };
  } catch {
    return { current: undefined, cuts: [], dropped: 0 };
  }
}

async function writeState(logPath: string, state: LogState): Promise<void> {
  const temporary = `${statePath(logPath)}.new`;
  await writeFile(temporary, JSON.stringify(state), { mode: 0o600 });
  await rename(temporary, statePath(logPath));
}

/**
 * Compares the current file with the remembered one. One that is new without having been rotated by the engine (`own`)
 * is a cut; so is not when the remembered one is among the rotated files.
 */
export async function noteCurrent(logPath: string, own: boolean): Promise<void> {
  const state = await readState(logPath);
  const current = await fileIdentity(logPath);
  if (current === undefined || current === state.current) return;
  const rotated = await rotatedFiles(logPath);
  const present = new Set<string | undefined>(await Promise.all(rotated.map(({ path }) => fileIdentity(path))));
  const cut = !own && state.current !== undefined && !present.has(state.current);
  present.add(current);
  const cuts = state.cuts.filter((identity) => present.has(identity));
  await writeState(logPath, { ...state, current, cuts: cut ? [...cuts, current] : cuts });
}

/** Counts files that are about to be dropped though a log driver has not sent them. */
export async function noteDropped(logPath: string, files: number): Promise<void> {
  const state = await readState(logPath);
  await writeState(logPath, { ...state, dropped: state.dropped + files });
}
