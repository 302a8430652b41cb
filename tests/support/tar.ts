/**
 * A writer of tar archives that writes whatever it is told: names that lead out, links, devices, wrong sizes. It knows
 * nothing of the engine's own reader and writer, which it tests (POSIX.1-2001 pax interchange format).
 */
export interface TarMember {
  readonly name: string;
  /** Default: a file; a directory when the name ends with a slash. */
  readonly type?: 'file' | 'hardlink' | 'symlink' | 'char' | 'block' | 'directory' | 'fifo';
  readonly body?: string | Uint8Array;
  /** Instead of the length of `body`. */
  readonly size?: number;
  /** Target of a link. */
  readonly link?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds since 1970. */
  readonly mtime?: number;
  readonly device?: readonly [major: number, minor: number];
  readonly xattrs?: Readonly<Record<string, Uint8Array>>;
}

const block = 512;
const usualTime = 1_704_067_200;
const flags = { file: '0', hardlink: '1', symlink: '2', char: '3', block: '4', directory: '5', fifo: '6' } as const;

/** The whole archive, with the two zero blocks at its end. */
export function tarOf(members: readonly TarMember[]): Buffer {
  return Buffer.concat([...members.flatMap(memberBlocks), Buffer.alloc(2 * block)]);
}

function memberBlocks(member: TarMember): Buffer[] {
  const { name, link = '', xattrs = {} } = member;
  const records = Object.entries(xattrs).map(([key, value]) => paxRecord(`SCHILY.xattr.${key}`, value));
  if (Buffer.byteLength(name) > 100) records.push(paxRecord('path', Buffer.from(name)));
  if (Buffer.byteLength(link) > 100) records.push(paxRecord('linkpath', Buffer.from(link)));
  const pax = Buffer.concat(records);
  const body = Buffer.from(member.body ?? '');
  const extension = pax.length === 0 ? [] : [header({ name: 'pax' }, 'x', pax.length), padded(pax)];
  const type = flags[member.type ?? (name.endsWith('/') ? 'directory' : 'file')];
  return [...extension, header(member, type, member.size ?? body.length), padded(body)];
}

/** "LENGTH key=value\n", where LENGTH counts itself. */
function paxRecord(key: string, value: Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function padded(body: Uint8Array): Buffer {
  return Buffer.concat([body, Buffer.alloc((block - (body.length % block)) % block)]);
}

function header(member: TarMember, type: string, size: number): Buffer {
  const { name, link = '', uid = 0, gid = 0, mtime = usualTime, device = [0, 0] } = member;
  const bytes = Buffer.alloc(block);
  const octal = (value: number, at: number, length: number): void => {
    bytes.write(value.toString(8).padStart(length - 1, '0'), at, length - 1, 'latin1');
  };
  Buffer.from(name).copy(bytes, 0, 0, 100);
  octal(member.mode ?? (type === '5' ? 0o755 : 0o644), 100, 8);
  octal(uid, 108, 8);
  octal(gid, 116, 8);
  octal(size, 124, 12);
  octal(mtime, 136, 12);
  bytes.write(type, 156);
  Buffer.from(link).copy(bytes, 157, 0, 100);
  bytes.write('ustar\u000000', 257, 'latin1');
  octal(device[0], 329, 8);
  octal(device[1], 337, 8);
  bytes.fill(' ', 148, 156);
  let sum = 0;
  for (const byte of bytes) sum += byte;
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}

/** The members of a plain archive by name, in their order; names of at most 255 bytes, no extensions. */
export function membersOfTar(archive: Uint8Array): Map<string, Buffer> {
  const bytes = Buffer.from(archive);
  const members = new Map<string, Buffer>();
  const text = (from: number, length: number): string => {
    const field = bytes.subarray(from, from + length);
    const end = field.indexOf(0);
    return field.toString('utf8', 0, end < 0 ? length : end);
  };
  for (let at = 0; at < bytes.length && bytes[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const prefix = text(at + 345, 155);
    const name = prefix === '' ? text(at, 100) : `${prefix}/${text(at, 100)}`;
    members.set(name, bytes.subarray(at + block, at + block + size));
    at += block + Math.ceil(size / block) * block;
  }
  return members;
}
