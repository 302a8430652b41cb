import { hash } from 'node:crypto';
import { EngineError, messageOf } from '../../base/errors.ts';
import { readAll } from '../../base/stream.ts';
import type { RemoteRepository } from '../../registry/client/client.ts';
import type { Descriptor } from '../../spec/oci/image.ts';
import { type JsonObject, largestDocument, parseJsonObject } from '../../spec/oci/json.ts';
import { type ManifestDocument, parseManifestDocument } from '../../spec/oci/manifest.ts';
import { parseReference, type Reference, withDefaultTag } from '../../spec/reference/reference.ts';
import { CliError } from '../errors.ts';

/** A command waits as long as the registry takes; Ctrl-C ends the process. */
export const never = new AbortController().signal;

/** A manifest or index of a registry, and its bytes. */
export interface RegistryDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly document: ManifestDocument;
}

/** A name as users write it, with the default tag when neither tag nor digest are there. @throws CliError */
export function parseName(text: string): Reference {
  try {
    const reference = parseReference(text);
    return reference.digest === undefined ? withDefaultTag(reference) : reference;
  } catch (error) {
    throw new CliError(messageOf(error));
  }
}

/** What a registry has under a name. @throws EngineError */
export async function readDocument(remote: RemoteRepository, reference: Reference): Promise<RegistryDocument> {
  const { descriptor, bytes } = await remote.manifest(reference, never);
  const document = parseManifestDocument(bytes, descriptor.mediaType);
  return { descriptor: { ...descriptor, mediaType: document.mediaType }, bytes, document };
}

/** A small JSON object of a registry: an image configuration, a statement. @throws EngineError */
export async function readJsonBlob(remote: RemoteRepository, blob: Descriptor, what: string): Promise<JsonObject> {
  const bytes = await readAll(remote.blob(blob, { signal: never }), largestDocument, what);
  if (`sha256:${hash('sha256', bytes, 'hex')}` !== blob.digest) {
    throw new EngineError('corrupt', `${what} verification failed for digest ${blob.digest}`);
  }
  return parseJsonObject(bytes, what);
}
