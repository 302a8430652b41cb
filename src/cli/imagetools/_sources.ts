import { messageOf } from '../../base/errors.ts';
import { tryDigest } from '../../base/ids.ts';
import type { Descriptor } from '../../spec/oci/image.ts';
import { objectOf, optionalStringMap, parseJsonObject } from '../../spec/oci/json.ts';
import { descriptorOf } from '../../spec/oci/manifest.ts';
import {
  familiarName,
  formatReference,
  parseReference,
  type Reference,
  repositoryOf,
  withDefaultTag,
} from '../../spec/reference/reference.ts';
import { CliError } from '../errors.ts';
import type { Registries } from '../registry/client.ts';
import { readDocument, type RegistryDocument } from '../registry/documents.ts';

/** What a new image is put together from. */
export interface Source extends RegistryDocument {
  /** With a tag or a digest. */
  readonly reference: Reference;
}

/** What the user said of a source: a name, a digest in a repository that others name, or a descriptor. */
interface Wish {
  readonly text: string;
  readonly reference?: Reference;
  readonly digest?: Descriptor['digest'];
  /** Replaces what the registry says. */
  readonly platform?: Descriptor['platform'];
  readonly annotations?: Descriptor['annotations'];
}

/**
 * Reads the sources: names, digests, and descriptors as JSON. A digest alone means the one repository that tags and other
 * sources name. @throws CliError, EngineError
 */
export async function readSources(
  registries: Registries,
  texts: readonly string[],
  tags: readonly Reference[],
): Promise<Source[]> {
  const wishes = texts.map(parseSource);
  const named = [...tags, ...wishes.flatMap(({ reference }) => reference ?? [])].map(repositoryOf);
  const repositories = new Map(named.map((reference) => [formatReference(reference), reference]));
  const [only, ...others] = repositories.values();
  if (only === undefined) throw new CliError('no repositories specified, please set a reference in tag or source');
  const sources: Source[] = [];
  for (const { text, reference: given, digest, platform, annotations } of wishes) {
    if (given === undefined && others.length > 0) {
      throw new CliError(`multiple repositories specified, cannot infer repository for ${JSON.stringify(text)}`);
    }
    const reference = given ?? { ...only, ...(digest === undefined ? {} : { digest }) };
    const found = await readDocument(registries.repository(reference), reference);
    const descriptor = {
      ...found.descriptor,
      ...(platform === undefined ? {} : { platform }),
      ...(annotations === undefined ? {} : { annotations }),
    };
    sources.push({ ...found, reference, descriptor });
  }
  return sources;
}

function parseSource(text: string): Wish {
  try {
    const digest = tryDigest(text);
    if (digest !== undefined) return { text, digest };
    if (text.trimStart().startsWith('{')) return { text, ...parseDescriptor(text) };
    const reference = parseReference(text);
    if (familiarName(reference) === 'sha256') throw new CliError('invalid digest');
    return { text, reference: reference.digest === undefined ? withDefaultTag(reference) : reference };
  } catch (error) {
    throw new CliError(
      `failed to parse source ${JSON.stringify(text)}, valid sources are digests, references and descriptors: ${messageOf(error)}`,
    );
  }
}

/** Only the digest must be there. */
function parseDescriptor(text: string): Omit<Wish, 'text' | 'reference'> {
  const json = parseJsonObject(Buffer.from(text), 'descriptor');
  const { digest, platform } = descriptorOf({ mediaType: 'unknown', size: 0, ...json }, 'descriptor');
  const annotations = optionalStringMap(json['annotations'], 'descriptor.annotations');
  const given = json['platform'] === undefined ? undefined : objectOf(json['platform'], 'descriptor.platform');
  return {
    digest,
    ...(given === undefined || platform === undefined ? {} : { platform }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}
