import { mkdirSync, openSync, closeSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { CliError } from '../errors.ts';
import type { Session } from '../session.ts';
import { isTerminal } from '../terminal/tty.ts';
import type { ExportTarget } from './session/receive.ts';

/** An archive on standard output. @throws CliError where that is a terminal */
export function toTerminal(session: Session, type: string): ExportTarget {
  if (isTerminal(1)) {
    throw new CliError(`dest file is required for ${type} exporter. refusing to write to console`);
  }
  return { write: (bytes) => session.output.bytes(1, bytes), finish: () => Promise.resolve() };
}

/** A file, which is made with its folder when the first bytes come. */
export function openDownload(path: string): ExportTarget {
  let file: number | undefined;
  const open = (): number => {
    mkdirSync(dirname(path), { recursive: true });
    file ??= openSync(path, 'w', 0o666);
    return file;
  };
  return {
    async write(bytes) {
      const to = open();
      for (let at = 0; at < bytes.length; ) at += writeSync(to, bytes, at);
    },
    async finish() {
      closeSync(open());
      file = undefined;
    },
  };
}
