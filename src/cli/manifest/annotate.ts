import { messageOf } from '../../base/errors.ts';
import type { Platform } from '../../spec/oci/image.ts';
import type { Reference } from '../../spec/reference/reference.ts';
import { defineCommand, exactly } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types, words } from '../flags/types.ts';
import { parseName } from '../registry/documents.ts';
import { ManifestStore } from './_store.ts';

/** What docker lets lists name. */
const known = new Set(
  `darwin/386 darwin/amd64 darwin/arm darwin/arm64 dragonfly/amd64 freebsd/386 freebsd/amd64 freebsd/arm linux/386
   linux/amd64 linux/arm linux/arm64 linux/ppc64le linux/mips64 linux/mips64le linux/riscv64 linux/s390x netbsd/386
   netbsd/amd64 netbsd/arm openbsd/386 openbsd/amd64 openbsd/arm plan9/386 plan9/amd64 solaris/amd64 windows/386
   windows/amd64`.split(/\s+/),
);

export const annotateManifest = defineCommand({
  usage: '[OPTIONS] MANIFEST_LIST MANIFEST',
  summary: 'Say more of a manifest in a list on this machine',
  flags: {
    arch: flag(types.string, 'Architecture'),
    os: flag(types.string, 'Operating system'),
    'os-features': flag(words, 'Abilities of the operating system that it needs'),
    'os-version': flag(types.string, 'Version of the operating system'),
    variant: flag(types.string, 'Variant of the architecture'),
  },
  args: exactly(2),
  async run({ session, flags, args: [listText = '', text = ''] }) {
    const list = parse('manifest list', listText);
    const name = parse('manifest', text);
    const store = new ManifestStore(session);
    const entry = store.get(list, name);
    if (entry === undefined) throw new CliError(`manifest for image ${text} does not exist in ${listText}`);
    const before: Platform = entry.descriptor.platform ?? { architecture: '', os: '' };
    const features = [...new Set([...(before['os.features'] ?? []), ...flags['os-features']])];
    const platform: Platform = {
      ...before,
      ...(flags.os === '' ? {} : { os: flags.os }),
      ...(flags.arch === '' ? {} : { architecture: flags.arch }),
      ...(flags['os-version'] === '' ? {} : { 'os.version': flags['os-version'] }),
      ...(features.length === 0 ? {} : { 'os.features': features }),
      ...(flags.variant === '' ? {} : { variant: flags.variant }),
    };
    if (!known.has(`${platform.os}/${platform.architecture}`)) {
      throw new CliError(`manifest entry for image has unsupported os/arch combination: ${flags.os}/${flags.arch}`);
    }
    store.save(list, { ...entry, reference: name, descriptor: { ...entry.descriptor, platform } });
    return 0;
  },
});

function parse(what: string, text: string): Reference {
  try {
    return parseName(text);
  } catch (error) {
    throw new CliError(`annotate: error parsing name for ${what} ${text}: ${messageOf(error)}`);
  }
}
