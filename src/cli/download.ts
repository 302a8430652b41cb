import { open, rename, rm } from 'node:fs/promises';
import { CliError } from './errors.ts';
import { checkTarget } from './local/paths.ts';
import type { Session } from './session.ts';
import { isTerminal } from './terminal/tty.ts';

/** Refuses a bad target before anything is asked of the engine; '' is standard output. @throws CliError with `what` in front */
export function checkDownload(path: string, what: string): void {
  if (path === '' && isTerminal(1)) {
    throw new CliError('cowardly refusing to save to a terminal. Use the -o flag or redirect');
  }
  if (path === '') return;
  try {
    checkTarget(path);
  } catch (error) {
    throw error instanceof CliError ? new CliError(`${what}: ${error.message}`) : error;
  }
}

/** Writes an archive that comes in to a file, or to standard output for ''. The file is there whole, or not at all. */
export async function writeDownload({ output }: Session, path: string, body: AsyncIterable<Uint8Array>): Promise<void> {
  if (path === '') {
    for await (const chunk of body) await output.bytes(1, chunk);
    return;
  }
  const temporary = `${path}.partial-${process.pid}`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    for await (const chunk of body) await file.writeFile(chunk);
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
}
