import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { invalid } from '../../base/errors.ts';
import { csvFields } from '../../base/text/csv.ts';
import { formatReference, parseReference, withDefaultTag } from '../../spec/reference/reference.ts';
import { CliError } from '../errors.ts';
import { parseBoolean } from '../flags/types.ts';
import { openDownload, toTerminal } from './_output-file.ts';
import { type TypedFields, typedFields } from './_fields.ts';
import type { ExportTarget } from './session/receive.ts';
import type { Session } from '../session.ts';

export interface Outputs {
  /** As the engine is told of them, in their order. */
  readonly exporters: readonly { readonly type: string; readonly attrs: ReadonlyMap<string, string> }[];
  /** Where what they send goes, by their places. */
  readonly targets: ReadonlyMap<number, ExportTarget>;
  /** Names that are pushed when the image is there. */
  readonly pushes: readonly string[];
  /** The folder of an OCI layout that is no archive. */
  readonly layout: string | undefined;
}

export interface OutputFlags {
  readonly output: readonly string[];
  readonly tag: readonly string[];
  readonly load: boolean;
  readonly push: boolean;
  readonly annotation: readonly string[];
  readonly allow: readonly string[];
}

/** `-o PATH`, `-o -`, `-o type=TYPE,...`. @throws EngineError `invalid` */
function parseOutput(text: string): TypedFields {
  const fields = csvFields(text);
  if (fields.length === 1 && !text.startsWith('type=')) {
    return { type: text === '-' ? 'tar' : 'local', fields: new Map([['dest', text]]) };
  }
  return typedFields('output', text);
}

/** What is to become of the result. @throws CliError, EngineError `invalid` */
export async function outputsOf(session: Session, flags: OutputFlags): Promise<Outputs> {
  const names = flags.tag.map((name) => formatReference(withDefaultTag(parseReference(name))));
  const plain = flags.tag.map((name) => formatReference(parseReference(name)));
  const exporters: { type: string; attrs: Map<string, string> }[] = [];
  const targets = new Map<number, ExportTarget>();
  const pushes: string[] = [];
  let layout: string | undefined;
  for (const { type, fields } of withShorthands(flags)) {
    if (type === 'cacheonly') continue;
    const attrs = new Map(fields);
    const dest = attrs.get('dest') ?? '';
    attrs.delete('dest');
    if (isImage(type) || type === 'oci') {
      const given = truthOf(attrs.get('push-by-digest')) ? plain : names;
      if (given.length > 0) attrs.set('name', given.join(','));
      for (const annotation of flags.annotation) attrs.set(...annotationOf(annotation));
    }
    const wantsPush = type === 'registry' || truthOf(attrs.get('push'));
    attrs.delete('push');
    if (wantsPush) {
      const own = (attrs.get('name') ?? '').split(',').filter((name) => name !== '');
      if (own.length === 0) throw new CliError('tag is needed when pushing to registry');
      // What has no name among the engine's images is pushed by the build itself.
      if (isUnnamed(attrs)) attrs.set('push', 'true');
      else pushes.push(...own);
    }
    // An image of the engine: what other exporters make is sent here.
    const isOwn = (isImage(type) && type !== 'docker') || (type === 'docker' && dest === '');
    if (type === 'oci' && attrs.get('tar') === 'false') layout = layoutFolder(dest);
    else if (!isOwn) targets.set(exporters.length, await targetOf(session, { type, dest, attrs, allow: flags.allow }));
    exporters.push({ type: isOwn ? 'moby' : type, attrs });
  }
  return { exporters, targets, pushes, layout };
}

function layoutFolder(dest: string): string {
  if (dest === '' || dest === '-') throw new CliError('an OCI layout that is no archive needs dest=FOLDER');
  return dest;
}

const isImage = (type: string): boolean => ['image', 'registry', 'docker', 'moby'].includes(type);
const isUnnamed = (attrs: ReadonlyMap<string, string>): boolean =>
  truthOf(attrs.get('push-by-digest')) || !truthOf(attrs.get('store') ?? 'true');
const truthOf = (text: string | undefined): boolean => text !== undefined && parseBoolean(text);

function withShorthands({ output, load, push }: OutputFlags): TypedFields[] {
  const outputs = output.map(parseOutput);
  const image = { type: 'image', fields: new Map<string, string>() };
  if (push) {
    const pushed = new Map([['push', 'true']]);
    const isGiven = outputs.some(({ type }) => type === 'image' || type === 'registry');
    if (!isGiven) outputs.push({ type: 'image', fields: pushed });
    else {
      return outputs.map((one) =>
        one.type === 'image' ? { ...one, fields: new Map([...one.fields, ...pushed]) } : one,
      );
    }
  }
  if (load && !outputs.some(({ type, fields }) => type === 'docker' && !fields.has('dest'))) outputs.push(image);
  return outputs.length === 0 ? [image] : outputs;
}

/** `[TYPE[,TYPE...]:]KEY=VALUE`, as the attributes of exporters are called. */
function annotationOf(text: string): [string, string] {
  const equals = text.indexOf('=');
  if (equals < 0) throw invalid(`invalid annotation ${JSON.stringify(text)}, expected key=value`);
  const [key, value] = [text.slice(0, equals), text.slice(equals + 1)];
  const colon = key.indexOf(':');
  if (colon < 0) return [`annotation.${key}`, value];
  const kind = /^(index|index-descriptor|manifest|manifest-descriptor)(\[[A-Za-z0-9_/-]+\])?$/.exec(
    key.slice(0, colon),
  );
  if (kind === null) {
    const expected = 'index, index-descriptor, manifest or manifest-descriptor';
    throw invalid(`unknown annotation type ${JSON.stringify(key.slice(0, colon))}, expected ${expected}`);
  }
  return [`annotation-${kind[1]}${kind[2] ?? ''}.${key.slice(colon + 1)}`, value];
}

interface WantedTarget {
  readonly type: string;
  readonly dest: string;
  readonly attrs: ReadonlyMap<string, string>;
  readonly allow: readonly string[];
}

/** What a folder is emptied by needs leave, unless it lies below the working directory. */
const deleteLeave = 'buildx.local.delete';

function mayDelete(dest: string, allow: readonly string[]): boolean {
  if (allow.some((names) => names.split(',').includes(deleteLeave))) return true;
  const real = (path: string): string =>
    existsSync(path) ? realpathSync(path) : join(real(dirname(path)), basename(path));
  const below = relative(real(process.cwd()), real(resolve(dest)));
  return below !== '' && below !== '..' && !below.startsWith('../');
}

async function targetOf(session: Session, { type, dest, attrs, allow }: WantedTarget): Promise<ExportTarget> {
  if (type === 'local') {
    if (dest === '') throw new CliError('output directory is required for local exporter');
    if (dest === '-') throw new CliError('dest cannot be stdout for local exporter');
    if (existsSync(dest) && !statSync(dest).isDirectory()) {
      throw new CliError(`destination directory ${dest} is a file`);
    }
    const deletes = attrs.get('mode') === 'delete';
    if (deletes && !mayDelete(dest, allow)) {
      throw new CliError(
        `local output mode=delete for destination ${JSON.stringify(dest)} requires --allow=${deleteLeave}`,
      );
    }
    return { folder: dest, deletes };
  }
  if (dest === '' || dest === '-') return toTerminal(session, type);
  if (statSync(dest, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new CliError(`destination file ${dest} is a directory`);
  }
  return openDownload(dest);
}
