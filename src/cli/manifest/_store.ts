import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { mediaTypes } from '../../spec/oci/image.ts';
import { objectOf, optionalString, parseJsonObject } from '../../spec/oci/json.ts';
import { descriptorOf } from '../../spec/oci/manifest.ts';
import { formatReference, parseReference, type Reference } from '../../spec/reference/reference.ts';
import { configFolder } from '../config.ts';
import { CliError } from '../errors.ts';
import { reformatJson } from '../format/json.ts';
import type { Session } from '../session.ts';
import type { ManifestEntry } from './_entry.ts';
import { descriptorJson } from './_list.ts';

/**
 * Lists of manifests that are being put together, in the files of docker's own command: a folder a list, a file a
 * manifest, below `manifests` beside `config.json`. Either command goes on with what the other one began.
 */
export class ManifestStore {
  readonly #root: string;

  constructor(session: Session) {
    this.#root = join(configFolder(session.globals, session.env), 'manifests');
  }

  /** Undefined when the list has no such manifest. @throws CliError for a damaged file */
  get(list: Reference, manifest: Reference): ManifestEntry | undefined {
    return readEntry(join(this.#folder(list), fileName(manifest)));
  }

  /** All manifests of a list, by file name; undefined when there is no such list. @throws CliError */
  list(list: Reference): ManifestEntry[] | undefined {
    const folder = this.#folder(list);
    let names: string[];
    try {
      names = readdirSync(folder);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    return names.sort().flatMap((name) => readEntry(join(folder, name)) ?? []);
  }

  save(list: Reference, entry: ManifestEntry): void {
    const folder = this.#folder(list);
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    const path = join(folder, fileName(entry.reference));
    // Beside the folder: whatever lies in it is a manifest.
    const next = join(this.#root, `.${process.pid}.tmp`);
    try {
      writeFileSync(next, reformatJson(entryJson(entry), ''), { mode: 0o644 });
      renameSync(next, path);
    } catch (error) {
      rmSync(next, { force: true });
      throw error;
    }
  }

  remove(list: Reference): void {
    rmSync(this.#folder(list), { recursive: true, force: true });
  }

  #folder(list: Reference): string {
    return join(this.#root, fileName(list));
  }
}

/** @throws CliError in docker's words */
export function entriesOf(store: ManifestStore, list: Reference): ManifestEntry[] {
  const entries = store.list(list);
  if (entries === undefined) throw noSuchManifest(list);
  return entries;
}

export const noSuchManifest = (reference: Reference): CliError =>
  new CliError(`No such manifest: ${formatReference(reference)}`);

/** No reference has a part that is `.` or `..`. */
const fileName = (reference: Reference): string => formatReference(reference).replaceAll(':', '-').replaceAll('/', '_');

const isMissing = (error: unknown): boolean => (error as { code?: unknown }).code === 'ENOENT';

/** An entry as docker writes it; the manifest itself is in it twice, as bytes and as JSON. */
export function entryJson({ reference, descriptor, raw }: ManifestEntry): string {
  const field = descriptor.mediaType === mediaTypes.ociManifest ? 'OCIManifest' : 'SchemaV2Manifest';
  const head = JSON.stringify({
    Ref: formatReference(reference),
    Descriptor: descriptorJson(descriptor),
    Raw: Buffer.from(raw).toString('base64'),
  });
  return `${head.slice(0, -1)},"${field}":${Buffer.from(raw).toString()}}`;
}

function readEntry(path: string): ManifestEntry | undefined {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  try {
    const json = parseJsonObject(bytes, 'manifest');
    const { size: _, ...given } = objectOf(json['Descriptor'], 'Descriptor');
    const raw = Buffer.from(optionalString(json['Raw'], 'Raw') ?? '', 'base64');
    if (raw.length === 0) throw new Error('it has no manifest: an old docker wrote it');
    return {
      reference: parseReference(optionalString(json['Ref'], 'Ref') ?? ''),
      descriptor: descriptorOf({ ...given, size: raw.length }, 'Descriptor'),
      raw,
    };
  } catch (error) {
    throw new CliError(`invalid manifest file ${path}: ${messageOf(error)}`);
  }
}
