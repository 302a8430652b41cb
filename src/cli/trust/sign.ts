import { messageOf } from '../../base/errors.ts';
import type { Digest } from '../../base/ids.ts';
import { isManifestType } from '../../spec/oci/manifest.ts';
import { formatReference, parseReference, type Reference, repositoryOf } from '../../spec/reference/reference.ts';
import { defineCommand, exactly } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import { openRegistries } from '../registry/client.ts';
import { parseName, readDocument } from '../registry/documents.ts';
import { readSigningKey } from './_key.ts';
import { addSignature, signedPayload } from './_signature.ts';

export const sign = defineCommand({
  usage: '[OPTIONS] NAME[:TAG][@DIGEST]',
  summary: 'Sign an image in its registry',
  details:
    'The signature says the name with its tag, and the digest that the registry has under it: name the digest as well to ' +
    'sign nothing else than what was looked at.',
  flags: {
    identity: flag(types.string, 'Sign for this name instead: a registry that the image is copied to, or no tag'),
    insecure: flag(types.bool, 'Accept plain HTTP, and certificates that nobody vouches for'),
    key: flag(types.string, 'File with the private key: PKCS #8 in PEM, not encrypted'),
    recursive: flag(types.bool, 'Sign the manifests of an index as well', { short: 'r' }),
  },
  args: exactly(1),
  async run({ session, flags, args: [text = ''] }) {
    if (flags.key === '') throw new CliError('--key is needed: the file with the private key');
    const key = readSigningKey(flags.key);
    const reference = parseName(text);
    const identity = flags.identity === '' ? identityOf(reference) : identityFrom(flags.identity);
    const registries = openRegistries(session, flags.insecure, { withoutMirrors: true });
    const { descriptor, document } = await readDocument(registries.repository(reference), reference);
    const digests: Digest[] = [descriptor.digest];
    if (flags.recursive && document.kind === 'index') {
      const { manifests } = document.index;
      digests.push(...manifests.filter(({ mediaType }) => isManifestType(mediaType)).map((entry) => entry.digest));
    }
    for (const digest of new Set(digests)) {
      const payload = signedPayload(digest, identity, Math.floor(Date.now() / 1000));
      const signed = { payload, signature: key.sign(payload) };
      await addSignature(registries, repositoryOf(reference), digest, signed);
      session.out(`Signed ${formatReference({ ...repositoryOf(reference), digest })} as ${identity}\n`);
    }
    return 0;
  },
});

/** The name with the tag; a digest alone is part of the name that is signed. */
function identityOf({ domain, path, tag, digest }: Reference): string {
  return formatReference(
    tag === undefined && digest !== undefined
      ? { domain, path, digest }
      : { domain, path, ...(tag === undefined ? {} : { tag }) },
  );
}

function identityFrom(text: string): string {
  try {
    return formatReference(parseReference(text));
  } catch (error) {
    throw new CliError(`--identity: ${messageOf(error)}`);
  }
}
