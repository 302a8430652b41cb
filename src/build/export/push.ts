import { internal, invalid } from '../../base/errors.ts';
import { readAll } from '../../base/stream.ts';
import type { WrittenImage } from '../../spec/contract/build.ts';
import type { Descriptor } from '../../spec/oci/image.ts';
import { largestDocument } from '../../spec/oci/json.ts';
import { isIndexType, isManifestType } from '../../spec/oci/manifest.ts';
import { formatReference, parseReference, repositoryOf, withDefaultTag } from '../../spec/reference/reference.ts';
import type { StepOutput } from '../control/job.ts';
import { transferLines } from '../control/transfer-lines.ts';
import type { ExportScope } from './scope.ts';

/** Sends an image of the engine to where its name says. */
export async function pushNamed(
  { ports, job, logins }: ExportScope,
  reference: string,
  output: StepOutput,
): Promise<void> {
  const line = output.line(`pushing ${reference}`);
  const auth = await logins(parseReference(reference).domain, job.signal);
  const { progress, done } = transferLines(output);
  await ports.images.push({ reference, progress, signal: job.signal, ...(auth === undefined ? {} : { auth }) });
  done();
  line.done();
}

const isDocument = ({ mediaType }: Descriptor): boolean => isManifestType(mediaType) || isIndexType(mediaType);

/**
 * Sends an image that the engine does not keep, or that is to have no tag, to the repository that `name` says: what it
 * consists of, then its documents by their digests, the topmost last. @throws invalid for a tag where the digest is wanted
 */
export async function pushWritten(
  { ports, job, content, logins }: ExportScope,
  { target, blobs }: WrittenImage,
  { name, byDigest }: { readonly name: string; readonly byDigest: boolean },
  output: StepOutput,
): Promise<void> {
  const parsed = parseReference(name);
  if (byDigest && parsed.tag !== undefined) throw invalid(`can't push tagged ref ${name} by digest`);
  const reference = byDigest ? formatReference(repositoryOf(parsed)) : formatReference(withDefaultTag(parsed));
  const line = output.line(`pushing ${byDigest ? `${reference}@${target.digest}` : reference}`);
  const place = ports.images.repository(reference, await logins(parsed.domain, job.signal));
  for (const blob of blobs) {
    if (isDocument(blob)) continue;
    const layer = output.line(`pushing layer ${blob.digest}`);
    await place.put(blob, () => content.blob(blob), job.signal);
    layer.done();
  }
  const documents = blobs
    .filter(isDocument)
    .sort((a, b) => Number(isIndexType(a.mediaType)) - Number(isIndexType(b.mediaType)));
  const top = documents.find(({ digest }) => digest === target.digest);
  if (top === undefined) throw internal('the image has no document of its own');
  for (const document of [...documents.filter((one) => one !== top), top]) {
    const bytes = await readAll(content.blob(document), largestDocument, 'manifest');
    await place.putManifest(document, bytes, job.signal, { byDigest: byDigest || document !== top });
  }
  line.done();
}
