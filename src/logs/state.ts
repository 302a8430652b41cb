/** What is remembered of a log beside it, in a small file. */
import { readFile, rename, writeFile } from 'node:fs/promises';

export interface LogState {
  /** How many files were dropped, ever, of which a log driver had sent nothing. */
  readonly dropped: number;
}

const statePath = (logPath: string): string => `${logPath}.state`;

/** What is remembered; nothing when the file is missing or damaged. */
export async function readState(logPath: string): Promise<LogState> {
  try {
    const { dropped } = JSON.parse(await readFile(statePath(logPath), 'utf8')) as { dropped?: unknown };
    return { dropped: typeof dropped === 'number' ? dropped : 0 };
  } catch {
    return { dropped: 0 };
  }
}

/** Counts files that are about to be dropped though a log driver has not sent them. */
export async function noteDropped(logPath: string, files: number): Promise<void> {
  const { dropped } = await readState(logPath);
  const temporary = `${statePath(logPath)}.new`;
  await writeFile(temporary, JSON.stringify({ dropped: dropped + files }), { mode: 0o600 });
  await rename(temporary, statePath(logPath));
}
