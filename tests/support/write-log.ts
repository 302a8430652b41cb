import { type FileHandle, open } from 'node:fs/promises';

/** One entry of a log of writes. Sectors have 512 bytes. */
interface LoggedWrite {
  readonly kind: 'write' | 'discard' | 'flush';
  readonly sector: number;
  readonly sectors: number;
  /** Where its bytes are in the log. */
  readonly dataAt: number;
  /** It is on the disk when it is done, like a flush of its own. */
  readonly durable: boolean;
}

const sectorSize = 512;
const magic = 0x6a736677736872n;
const [FLUSH, FUA, DISCARD, MARK] = [1n, 2n, 4n, 8n];

/**
 * The log that qemu's `blklogwrites` keeps of a disk, in the format of the kernel's dm-log-writes
 * (Documentation/admin-guide/device-mapper/log-writes.rst): after the superblock, a sector for each entry with its data
 * behind it. It may be read while it grows.
 */
export class WriteLog implements AsyncDisposable {
  readonly entries: LoggedWrite[] = [];
  readonly #file: FileHandle;
  #at = sectorSize;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(path: string): Promise<WriteLog> {
    return new WriteLog(await open(path, 'r'));
  }

  /** Reads what has come; gives the number of all entries. */
  async catchUp(): Promise<number> {
    const head = Buffer.alloc(32);
    for (;;) {
      const { bytesRead } = await this.#file.read(head, 0, 32, this.#at);
      if (bytesRead < 32) break;
      const [sector, sectors, flags] = [0, 8, 16].map((at) => head.readBigUInt64LE(at)) as [bigint, bigint, bigint];
      if (sectors === 0n && flags === 0n) break;
      const hasData = sectors > 0n && (flags & (DISCARD | MARK)) === 0n;
      const dataAt = this.#at + sectorSize;
      const isFlush = (flags & FLUSH) !== 0n && sectors === 0n;
      this.entries.push({
        kind: isFlush ? 'flush' : (flags & DISCARD) === 0n ? 'write' : 'discard',
        sector: Number(sector),
        sectors: (flags & MARK) === 0n ? Number(sectors) : 0,
        dataAt,
        durable: (flags & (FUA | FLUSH)) !== 0n,
      });
      this.#at = dataAt + (hasData ? Number(sectors) * sectorSize : 0);
    }
    return this.entries.length;
  }

  /** Does to a disk what an entry says. */
  async apply(entry: LoggedWrite, disk: FileHandle): Promise<void> {
    const length = entry.sectors * sectorSize;
    if (entry.kind === 'flush' || length === 0) return;
    const bytes = Buffer.alloc(length);
    if (entry.kind === 'write') await this.#file.read(bytes, 0, length, entry.dataAt);
    await disk.write(bytes, 0, length, entry.sector * sectorSize);
  }

  /** @throws Error when the file is no such log. */
  async checkHeader(): Promise<void> {
    const head = Buffer.alloc(32);
    await this.#file.read(head, 0, 32, 0);
    if (head.readBigUInt64LE(0) !== magic || head.readUInt32LE(24) !== sectorSize) {
      throw new Error(`not a log of writes: ${head.toString('hex')}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
