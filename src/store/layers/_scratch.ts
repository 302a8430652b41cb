import { randomUUID } from 'node:crypto';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { IngestPool } from './_ingest_pool.ts';

/** Names for what is half made or half deleted: `<uuid>.tmp`, swept when layers are opened. */
export class Scratch {
  readonly #directory: string;
  readonly #log: Logger;
  /** Large trees go in the background, one after the other. */
  readonly #remover = new IngestPool(1);
  #closed = false;

  constructor(directory: string, log: Logger) {
    this.#directory = directory;
    this.#log = log;
  }

  newPath(): string {
    return join(this.#directory, `${randomUUID()}.tmp`);
  }

  isOne(name: string): boolean {
    return name.endsWith('.tmp');
  }

  /** Deletes a file at once, a directory in a worker; never fails: what stays goes at the next start. */
  async remove(path: string): Promise<void> {
    try {
      if (!(await unlinkFile(path))) await this.#remover.runOnTree({ kind: 'remove', path });
    } catch (error) {
      if (!this.#closed) this.#log.warn('cannot delete what is left of a layer', { path, reason: messageOf(error) });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#remover.close();
  }
}

/** False for a directory. */
async function unlinkFile(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'ENOENT') return true;
    if (code === 'EISDIR' || code === 'EPERM') return false;
    throw error;
  }
}
