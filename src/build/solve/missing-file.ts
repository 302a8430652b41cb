import { posix } from 'node:path';
import { EngineError } from '../../base/errors.ts';
import { nearestName } from '../../base/text/nearest.ts';

/** A file that an instruction names is not there. Worded as BuildKit does; what else may be said stands behind that. */
export class MissingFile extends EngineError {
  readonly path: string;

  constructor(path: string, hint = '') {
    super('not-found', `${JSON.stringify(path)}: not found${hint}`);
    this.name = 'MissingFile';
    this.path = path;
  }
}

/** The paths in a folder, itself without a slash at either end, of what an instruction takes files from; in any order. */
export type NamesIn = (folder: string) => Promise<readonly string[]>;

/**
 * What `look` gives. When a file is missing the error says what is called nearly the same, or that the file is there and
 * `.dockerignore` leaves it out.
 */
export async function explained<T>(look: () => Promise<T>, names: NamesIn): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof MissingFile)) throw error;
    const path = posix.normalize(`/${error.path}`);
    // Nobody is helped by a second fault.
    const known = await names(posix.dirname(path).slice(1)).catch(() => []);
    throw new MissingFile(error.path, hintOf(path, known));
  }
}

function hintOf(path: string, known: readonly string[]): string {
  if (known.includes(path.slice(1))) return ' (.dockerignore leaves it out)';
  const nearest = nearestName(
    posix.basename(path),
    known.map((name) => posix.basename(name)),
  );
  return nearest === undefined ? '' : ` (did you mean ${JSON.stringify(posix.join(posix.dirname(path), nearest))}?)`;
}
