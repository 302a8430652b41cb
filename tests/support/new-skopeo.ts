import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { unpackPackages } from './docker-client.ts';

/**
 * The command line of a skopeo that can make and check signatures in sigstore's formats, which Debian 12 has taken out of
 * its own one. It is unpacked with the C library that it needs, and started by that one's loader.
 */
export function newSkopeo(): readonly string[] {
  const packages = ['skopeo', 'libc6', 'libgpgme45', 'libassuan9', 'libgpg-error0'];
  const folder = join(unpackPackages('sid', 'skopeo', packages), 'usr');
  const libraries = join(folder, 'lib', process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu');
  const loader = readdirSync(libraries).find((name) => name.startsWith('ld-linux-'));
  if (loader === undefined) throw new Error(`no loader in ${libraries}`);
  return [join(libraries, loader), '--library-path', libraries, join(folder, 'bin/skopeo')];
}
