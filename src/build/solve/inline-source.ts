import type { Clock } from '../../base/clock.ts';
import { bytesOf, type CopiedSource } from './source.ts';

/** Text of a Dockerfile as a file that is made now. */
export function inlineSource(
  { name, content, mode }: { readonly name: string; readonly content: string; readonly mode: number },
  clock: Clock,
): CopiedSource {
  const bytes = Buffer.from(content);
  const mtime = Number(clock.nowNs() / 1_000_000_000n);
  const plain = { linkName: '', uid: 0, gid: 0, mtime, mtimeNsec: 0, major: 0, minor: 0 };
  const entry = { ...plain, type: 'file' as const, name: bytesOf(name), mode, size: bytes.length };
  return {
    name: bytesOf(name),
    isDirectory: false,
    async *members() {
      yield { path: '', entry, body: once(bytes) };
    },
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}
