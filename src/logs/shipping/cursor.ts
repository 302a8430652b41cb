/**
 * How far a driver has got with a container's log: one line of JSON beside the log, written over in place by a single
 * write after everything that was sent, so that a killed engine goes on behind the last message that it knows is out.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';

/** Where a stream of a container goes on. */
export interface StreamPlace {
  /** Identity of the file, and the offset of a record in it. */
  readonly file: string;
  readonly at: number;
  /** Bytes of that record's content that are out already. */
  readonly skip: number;
  /** The line that goes in parts and is not over yet. */
  readonly part: { readonly id: string; readonly ordinal: number } | undefined;
}

export interface Places {
  readonly stdout: StreamPlace | undefined;
  readonly stderr: StreamPlace | undefined;
  /** How many dropped files were told of (`LogState.dropped`). */
  readonly dropped: number;
}

export const noPlaces: Places = { stdout: undefined, stderr: undefined, dropped: 0 };

export const cursorPath = (logPath: string): string => `${logPath}.cursor`;

/** What is written is padded to this length: a shorter text leaves nothing of a longer one. */
const CURSOR_BYTES = 512;

/** The places in a cursor file; none when it is missing or damaged. */
export function readCursor(logPath: string): Places {
  try {
    const value = JSON.parse(readFileSync(cursorPath(logPath), 'latin1')) as Record<string, unknown>;
    const dropped = typeof value['dropped'] === 'number' ? value['dropped'] : 0;
    return { stdout: streamPlace(value['stdout']), stderr: streamPlace(value['stderr']), dropped };
  } catch {
    return noPlaces;
  }
}

function streamPlace(value: unknown): StreamPlace | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { file, at, skip, part } = value as Partial<StreamPlace>;
  if (typeof file !== 'string' || typeof at !== 'number' || typeof skip !== 'number') return undefined;
  return {
    file,
    at,
    skip,
    part: typeof part?.id === 'string' ? { id: part.id, ordinal: Number(part.ordinal) } : undefined,
  };
}

/** The cursor of one log, open for writing. */
export class CursorFile {
  readonly #fd: number;

  constructor(logPath: string) {
    this.#fd = openSync(cursorPath(logPath), 'a+', 0o600);
    closeSync(this.#fd);
    this.#fd = openSync(cursorPath(logPath), 'r+');
    ftruncateSync(this.#fd, CURSOR_BYTES);
  }

  save(places: Places): void {
    writeSync(this.#fd, `${JSON.stringify(places).padEnd(CURSOR_BYTES - 1)}\n`, 0, 'latin1');
  }

  close(): void {
    closeSync(this.#fd);
  }
}
