import type { TarEntry } from '../../archive/tar/entry.ts';
import { readTar } from '../../archive/tar/read.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { FileView } from '../../spec/contract/files.ts';
import type { SentFolder } from '../fsutil/send.ts';

/** Times of files in an archive that are later than `epoch` (seconds since 1970) become that. */
export async function* withLatestTime(
  archive: ByteStream,
  epoch: number,
): AsyncGenerator<{ readonly entry: TarEntry; readonly body: ByteStream }> {
  for await (const { entry, body } of readTar(archive)) {
    yield { entry: entry.mtime < epoch ? entry : { ...entry, mtime: epoch, mtimeNsec: 0 }, body };
  }
}

/** The files of a root as a folder: all of them have that time where there is one. */
export const rootFolder = (view: FileView, epoch: number | undefined, signal: AbortSignal): SentFolder =>
  async function* members() {
    for await (const { entry, body } of readTar(view.pack('/', undefined, signal))) {
      yield { entry: epoch === undefined ? entry : { ...entry, mtime: epoch, mtimeNsec: 0 }, body };
    }
  };
