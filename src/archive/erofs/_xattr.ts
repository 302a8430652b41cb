import { EngineError } from '../../base/errors.ts';

/** EROFS_XATTR_INDEX_*: name prefixes that are stored as a number. The ACL names are such prefixes as a whole. */
const prefixes: readonly (readonly [string, number])[] = [
  ['system.posix_acl_access', 2],
  ['system.posix_acl_default', 3],
  ['user.', 1],
  ['trusted.', 4],
  ['security.', 6],
];
/** The number of 4-byte units is a 16-bit field. */
const maxLength = 0xffff * 4;

/**
 * A node's extended attributes as they follow its inode: struct erofs_xattr_ibody_header (12 bytes, no shared ones)
 * and a struct erofs_xattr_entry each; empty for none. Attributes of other namespaces than those above are left out.
 */
export function encodeXattrs(xattrs: ReadonlyMap<string, Uint8Array> | undefined): Buffer {
  if (xattrs === undefined || xattrs.size === 0) return none;
  const entries: Uint8Array[] = [Buffer.alloc(12)];
  let length = 12;
  for (const [name, value] of xattrs) {
    const entry = encodeEntry(name, value);
    if (entry === undefined) continue;
    entries.push(entry);
    length += entry.length;
  }
  if (length > maxLength) throw new EngineError('invalid', 'a file has more extended attributes than EROFS can hold');
  return entries.length === 1 ? none : Buffer.concat(entries, length);
}

const none = Buffer.alloc(0);

function encodeEntry(name: string, value: Uint8Array): Buffer | undefined {
  const found = prefixes.find(([prefix]) => (prefix.endsWith('.') ? name.startsWith(prefix) : name === prefix));
  if (found === undefined) return undefined;
  const [prefix, index] = found;
  const suffix = Buffer.from(name.slice(prefix.length), 'latin1');
  if (suffix.length > 255 || value.length > 0xffff) {
    throw new EngineError('invalid', `the extended attribute ${JSON.stringify(name)} is too large`);
  }
  const entry = Buffer.alloc((4 + suffix.length + value.length + 3) & ~3);
  entry[0] = suffix.length;
  entry[1] = index;
  entry.writeUInt16LE(value.length, 2);
  entry.set(suffix, 4);
  entry.set(value, 4 + suffix.length);
  return entry;
}
