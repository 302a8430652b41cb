import { permissionsOfGoMode, typeOfGoMode } from '../../../build/fsutil/modes.ts';
import { GrpcError, statusCodes } from '../../../build/grpc/status.ts';
import { decode } from '../../../build/wire/decode.ts';
import { encode } from '../../../build/wire/encode.ts';
import type { Message } from '../../../build/wire/message.ts';
import { bytesMessage, packet, packetTypes } from '../../../build/wire/session.ts';
import { nativePath, pathBytes, pathText } from './folder.ts';
import type { GrpcCall, Method } from './grpc.ts';

const fs = () => process.getBuiltinModule('node:fs');

/** Where the engine sends what an exporter makes. */
export type ExportTarget =
  /** Its files come into this folder, which is made; what is there and has no such name stays, or is deleted. */
  | { readonly folder: string; readonly deletes: boolean }
  /** An archive; each write resolves when there is room for more. */
  | { readonly write: (bytes: Uint8Array) => Promise<void>; readonly finish: () => Promise<void> };

/** Says which exporter of the build a call is about; older engines say nothing. */
const exporterHeader = 'buildkit-attachable-exporter-id';

/** FileSend/DiffCopy: `targets` by the places of their exporters. */
export const receiveExports = (targets: ReadonlyMap<number, ExportTarget>): [string, Method] => [
  '/moby.filesync.v1.FileSend/DiffCopy',
  async (call) => {
    const [named] = call.metadata.get(exporterHeader) ?? [];
    const target = named === undefined ? [...targets.values()][0] : targets.get(Number(named));
    if (target === undefined) throw new GrpcError(statusCodes.notFound, `there is no output ${named ?? ''}`);
    if ('folder' in target) await receiveFolder(call, target);
    else {
      for await (const message of call.messages) await target.write(decode(bytesMessage, message).data);
      await target.finish();
    }
  },
];

async function receiveFolder(
  call: GrpcCall,
  { folder, deletes }: { readonly folder: string; readonly deletes: boolean },
): Promise<void> {
  fs().mkdirSync(folder, { recursive: true });
  const writer = new FolderWriter(folder, deletes);
  try {
    for await (const message of call.messages) {
      const received = decode(packet, message);
      switch (received.type) {
        case packetTypes.stat:
          if (received.stat === undefined) writer.isListed = true;
          else {
            const id = writer.add(received.stat);
            if (id !== undefined) await call.send(encode(packet, { type: packetTypes.request, id }));
          }
          break;
        case packetTypes.data:
          writer.write(received.id, received.data);
          break;
        case packetTypes.end:
          return;
        case packetTypes.error:
          throw new GrpcError(statusCodes.unknown, `error from sender: ${Buffer.from(received.data).toString()}`);
      }
      if (writer.mayEnd()) await call.send(encode(packet, { type: packetTypes.end }));
    }
  } finally {
    writer.close();
  }
}

type Stat = NonNullable<Message<typeof packet>['stat']>;

/** Makes the files of an export, owned by who runs this, below one folder alone. */
class FolderWriter {
  readonly #root: string;
  readonly #deletes: boolean;
  /** All that was listed. */
  readonly #names = new Set<string>();
  readonly #folders = new Map<string, Stat | undefined>([['', undefined]]);
  readonly #open = new Map<number, { readonly file: number; readonly stat: Stat }>();
  #serial = 0;
  #saidEnd = false;
  isListed = false;

  constructor(root: string, deletes: boolean) {
    this.#root = pathBytes(root);
    this.#deletes = deletes;
  }

  /** Gives the id of a file whose content is to be asked for. @throws GrpcError for a name that leads elsewhere */
  add(stat: Stat): number | undefined {
    const id = this.#serial++;
    const { path } = stat;
    const parts = path.split('/');
    const isPlain = parts.every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\0'));
    // Only folders that came before, and were made here, can be gone through: no link leads out.
    if (!isPlain || !this.#folders.has(path.slice(0, Math.max(0, path.lastIndexOf('/'))))) {
      throw new GrpcError(statusCodes.invalid, `the engine sends a file with the impossible name ${pathText(path)}`);
    }
    if (this.#deletes) this.#names.add(path);
    const native = nativePath(`${this.#root}/${path}`);
    const kind = typeOfGoMode(stat.mode);
    const permissions = permissionsOfGoMode(stat.mode);
    if (kind === 'directory') {
      const known = fs().lstatSync(native, { throwIfNoEntry: false });
      if (known !== undefined && !known.isDirectory()) fs().rmSync(native);
      // What is in it is written first, whatever its own mode is.
      if (known?.isDirectory() !== true) fs().mkdirSync(native, { mode: 0o700 });
      this.#folders.set(path, stat);
      return undefined;
    }
    if (kind !== 'file' && kind !== 'symlink' && kind !== 'fifo') return undefined;
    fs().rmSync(native, { recursive: true, force: true });
    if (kind === 'symlink') fs().symlinkSync(nativePath(stat.linkname), native);
    else if (kind === 'fifo') return undefined;
    else if (stat.linkname !== '') fs().linkSync(nativePath(`${this.#root}/${stat.linkname}`), native);
    else {
      this.#open.set(id, { file: fs().openSync(native, 'wx', permissions), stat });
      return id;
    }
    return undefined;
  }

  write(id: number, data: Uint8Array): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    const { file, stat } = open;
    if (data.length > 0) {
      for (let at = 0; at < data.length; ) at += fs().writeSync(file, data, at);
      return;
    }
    fs().fchmodSync(file, permissionsOfGoMode(stat.mode));
    fs().futimesSync(file, seconds(stat), seconds(stat));
    fs().closeSync(file);
    this.#open.delete(id);
  }

  /** Everything is here: true once. */
  mayEnd(): boolean {
    if (!this.isListed || this.#open.size > 0 || this.#saidEnd) return false;
    this.#saidEnd = true;
    if (this.#deletes) for (const path of this.#folders.keys()) this.#deleteOthers(path);
    for (const [path, stat] of [...this.#folders].reverse()) {
      if (stat === undefined) continue;
      const native = nativePath(`${this.#root}/${path}`);
      fs().chmodSync(native, permissionsOfGoMode(stat.mode));
      fs().utimesSync(native, seconds(stat), seconds(stat));
    }
    return true;
  }

  /** What is in a folder and was not listed. */
  #deleteOthers(folder: string): void {
    const path = folder === '' ? this.#root : `${this.#root}/${folder}`;
    for (const name of fs().readdirSync(nativePath(path), { encoding: 'latin1' })) {
      const own = folder === '' ? name : `${folder}/${name}`;
      if (!this.#names.has(own)) fs().rmSync(nativePath(`${this.#root}/${own}`), { recursive: true, force: true });
    }
  }

  close(): void {
    for (const { file } of this.#open.values()) fs().closeSync(file);
    this.#open.clear();
  }
}

const seconds = ({ modTime }: Stat): number => Number(modTime / 1000n) / 1_000_000;
