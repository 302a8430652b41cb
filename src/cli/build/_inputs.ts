import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { archiveHeadBytes, looksLikeArchive } from '../../archive/tar/looks-like.ts';
import { invalid } from '../../base/errors.ts';
import { readAll } from '../../base/stream.ts';
import { limits } from '../../build/dockerfile/source.ts';
import { CliError } from '../errors.ts';
import { randomName } from './session/open.ts';
import type { SentFolder } from './session/send-folder.ts';

/** What a build takes from this machine, and what the engine is told of it. */
export interface Inputs {
  readonly attributes: ReadonlyMap<string, string>;
  /** By the names that the engine has for them. */
  readonly folders: ReadonlyMap<string, SentFolder>;
  readonly uploads: ReadonlyMap<string, AsyncIterable<Uint8Array>>;
  /** The folder that the engine remembers the context of; empty for none. */
  readonly contextFolder: string;
}

export interface InputFlags {
  readonly file: string;
  readonly 'build-context': readonly string[];
  readonly 'nested-ignore': boolean;
}

interface Draft {
  readonly attributes: Map<string, string>;
  readonly folders: Map<string, SentFolder>;
  readonly uploads: Map<string, AsyncIterable<Uint8Array>>;
  contextFolder: string;
}

const isRemote = (text: string): boolean =>
  /^(https?|git|ssh):\/\//.test(text) || /^git@[^/]+:/.test(text) || /^(github\.com|www\.)\//.test(text);
const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** What PATH, `-` or URL, `--file` and `--build-context` mean. @throws CliError, EngineError `invalid` */
export async function inputsOf(context: string, flags: InputFlags): Promise<Inputs> {
  const draft: Draft = { attributes: new Map(), folders: new Map(), uploads: new Map(), contextFolder: '' };
  const { file } = flags;
  if (context === '-') {
    if (file === '-') {
      throw new CliError("invalid argument: can't use stdin for both build context and dockerfile");
    }
    await fromStandardInput(draft, file);
  } else if (isFolder(context)) fromFolder(draft, context, flags);
  else if (isRemote(context)) fromAddress(draft, context, file);
  else throw new CliError(`unable to prepare context: path ${JSON.stringify(context)} not found`);
  if (file === '-') dockerfileFrom(draft, await readAll(standardInput(), limits.fileBytes, 'the Dockerfile'));
  for (const text of flags['build-context']) addNamed(draft, text, flags['nested-ignore']);
  return draft;
}

async function* standardInput(): AsyncGenerator<Uint8Array> {
  for await (const chunk of process.stdin) yield chunk as Uint8Array;
}

function dockerfileFrom({ attributes, folders }: Draft, content: Uint8Array): void {
  folders.set('dockerfile', { files: new Map([['Dockerfile', content]]) });
  attributes.set('dockerfilekey', 'dockerfile');
  attributes.set('filename', 'Dockerfile');
}

function fromFolder(draft: Draft, context: string, { file, 'nested-ignore': nestedIgnore }: InputFlags): void {
  draft.contextFolder = resolve(context);
  draft.folders.set('context', { path: draft.contextFolder, nestedIgnore });
  if (file === '-') return;
  const path = file === '' ? join(context, 'Dockerfile') : file;
  draft.folders.set('dockerfile', { path: resolve(dirname(path)), nestedIgnore: false });
  draft.attributes.set('filename', asWritten(dirname(path), basename(path)));
}

/** A `dockerfile` counts where there is no `Dockerfile`. */
function asWritten(folder: string, name: string): string {
  if (name !== 'Dockerfile' || statSync(join(folder, name), { throwIfNoEntry: false }) !== undefined) return name;
  try {
    return readdirSync(folder).find((one) => one === 'dockerfile') ?? name;
  } catch {
    return name;
  }
}

function fromAddress(draft: Draft, context: string, file: string): void {
  draft.attributes.set('context', context);
  if (file === '-') return;
  if (file.startsWith('/')) {
    draft.folders.set('dockerfile', { path: dirname(file), nestedIgnore: false });
    draft.attributes.set('dockerfilekey', 'dockerfile');
    draft.attributes.set('filename', basename(file));
  } else draft.attributes.set('filename', file === '' ? 'Dockerfile' : file);
}

/** Standard input is an archive with the context, or a Dockerfile without one. */
async function fromStandardInput(draft: Draft, file: string): Promise<void> {
  const chunks = standardInput()[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let length = 0;
  while (length < archiveHeadBytes) {
    const next = await chunks.next();
    if (next.done === true) break;
    head.push(next.value);
    length += next.value.length;
  }
  const rest = (async function* all(): AsyncGenerator<Uint8Array> {
    yield* head;
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
  })();
  if (looksLikeArchive(Buffer.concat(head))) {
    const name = randomName();
    draft.uploads.set(name, rest);
    draft.attributes.set('context', `http://buildkit-session/${name}`);
    draft.attributes.set('filename', file === '' ? 'Dockerfile' : file);
    return;
  }
  if (file !== '') throw new CliError('ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles');
  draft.folders.set('context', { files: new Map() });
  dockerfileFrom(draft, await readAll(rest, limits.fileBytes, 'the Dockerfile'));
}

/** `NAME=PATH` or `NAME=ADDRESS` (`docker-image://`, `oci-layout://`, `target:`, http, git). */
function addNamed({ attributes, folders }: Draft, text: string, nestedIgnore: boolean): void {
  const equals = text.indexOf('=');
  if (equals <= 0) {
    throw invalid(`invalid context value: ${text}, expected key=value`);
  }
  const name = text.slice(0, equals).toLowerCase();
  const value = text.slice(equals + 1);
  if (isRemote(value) || /^(docker-image|oci-layout):\/\//.test(value) || value.startsWith('target:')) {
    attributes.set(`context:${name}`, value);
    return;
  }
  if (!isFolder(value)) throw new CliError(`failed to get build context path ${JSON.stringify(value)}: no such folder`);
  // These two are taken by the build itself.
  const local = name === 'context' || name === 'dockerfile' ? `_${name}` : name;
  folders.set(local, { path: resolve(value), nestedIgnore });
  attributes.set(`context:${name}`, `local:${local}`);
}
