import { invalid, notFound } from '../../base/errors.ts';
import { readAll } from '../../base/stream.ts';
import { readExtents } from '../context/pack.ts';
import { type ContextTree, releaseTree } from '../context/tree.ts';
import { SourceError, type SourcePlace } from '../control/failure.ts';
import type { BuildJob } from '../control/job.ts';
import { DockerfileError } from '../dockerfile/error.ts';
import { type Assembled, assemble, IncludeError, placeInAssembled } from '../dockerfile/include.ts';
import { limits, type Range } from '../dockerfile/source.ts';
import { parseIgnoreFile } from '../ignore/ignore-file.ts';
import { bytesOf } from '../solve/source.ts';
import type { Attributes } from './options.ts';
import type { BuildSource } from './source.ts';
import { lockArgument, modeOf, type SourceLock } from '../lock/lock.ts';

/** The Dockerfile, and what it leaves out of its context. */
export interface Definition {
  /** As it is shown. */
  readonly name: string;
  readonly text: string;
  readonly bytes: Uint8Array;
  /** Patterns of the Dockerfile's own ignore file; undefined when it has none. */
  readonly ignore: readonly string[] | undefined;
  /** Where the lines of the text are, when it includes others. */
  readonly assembled: { readonly lines: Assembled; readonly files: ReadonlyMap<string, Uint8Array> } | undefined;
}

/** Where something is that stands at these lines of the text: in the file itself, or in one that it includes. */
export function placeOf({ name, bytes, assembled }: Definition, range: Range): SourcePlace {
  if (assembled === undefined) return { filename: name, data: bytes, ranges: [linesOf(range)] };
  const { file, range: own } = placeInAssembled(assembled.lines, range);
  return { filename: file, data: assembled.files.get(file) ?? bytes, ranges: [linesOf(own)] };
}

const linesOf = ({ start, end }: Range) => ({ start: start.line, end: Math.max(start.line, end.line) });

/** The step in which a Dockerfile is loaded. */
export const definitionStep = (name: string): string => `[internal] load build definition from ${name}`;

/** Gets the Dockerfile of a build from its client. @throws not-found, invalid when it is too large */
export async function loadDefinition(job: BuildJob, source: BuildSource, attributes: Attributes): Promise<Definition> {
  const name = attributes.get('filename') ?? 'Dockerfile';
  return job.step({ name: definitionStep(name) }, async (output) => {
    const line = output.line('transferring dockerfile:');
    const tree = await source.definition({
      paths: [name, `${name}.dockerignore`, name.toLowerCase()],
      progress: (bytes) => line.progress(bytes),
      signal: job.signal,
    });
    try {
      line.done();
      const found = (await fileOf(tree, name)) ?? (await fileOf(tree, name.toLowerCase()));
      if (found === undefined) throw notFound(`failed to read dockerfile: open ${name}: no such file or directory`);
      const ignore = await fileOf(tree, `${name}.dockerignore`);
      const assembled = await withIncluded(job, source, name, found);
      return {
        name,
        text: assembled?.lines.text ?? found.toString(),
        bytes: found,
        assembled,
        ignore: ignore === undefined ? undefined : parseIgnoreFile(ignore.toString()),
      };
    } finally {
      await releaseTree(tree);
    }
  });
}

export interface LockedOrigin {
  readonly attributes: Attributes;
  readonly source: BuildSource;
  readonly lock: SourceLock;
}

/** The lock beside the Dockerfile, `NAME.lock`, where a build argument says that it counts. @throws not-found, invalid */
export async function loadLock(job: BuildJob, origin: LockedOrigin, dockerfile: string): Promise<void> {
  const { attributes, source, lock } = origin;
  const wanted = attributes.get(lockArgument) ?? '';
  if (wanted === '') return;
  const mode = modeOf(wanted);
  const name = `${dockerfile}.lock`;
  await job.step({ name: `[internal] load lock of sources from ${name}` }, async () => {
    const tree = await source.definition({ paths: [name], progress: () => undefined, signal: job.signal });
    try {
      const bytes = await fileOf(tree, name);
      if (bytes === undefined && mode === 'locked') throw notFound(`open ${name}: no such file or directory`);
      lock.load(bytes?.toString() ?? '', mode, name);
    } finally {
      await releaseTree(tree);
    }
  });
}

/** The files that a Dockerfile includes, which lie in its folder. @throws SourceError at the line that is wrong */
async function withIncluded(
  job: BuildJob,
  source: BuildSource,
  name: string,
  bytes: Uint8Array,
): Promise<Definition['assembled']> {
  const files = new Map<string, Uint8Array>([[name, bytes]]);
  const texts = new Map([[name, Buffer.from(bytes).toString()]]);
  const file = { name, text: texts.get(name) ?? '' };
  for (;;) {
    let found: ReturnType<typeof assemble>;
    try {
      found = assemble(file, (path) => texts.get(path));
    } catch (error) {
      if (!(error instanceof DockerfileError)) throw error;
      const filename = error instanceof IncludeError ? error.file : name;
      throw new SourceError(error, { filename, data: files.get(filename) ?? bytes, ranges: [linesOf(error.range)] });
    }
    if (found === undefined) return undefined;
    if ('text' in found) return { lines: found, files };
    const tree = await source.definition({ paths: found, progress: () => undefined, signal: job.signal });
    try {
      for (const path of found) {
        const content = await fileOf(tree, path);
        if (content === undefined)
          throw notFound(`failed to read dockerfile: INCLUDE ${path}: no such file or directory`);
        files.set(path, content);
        texts.set(path, content.toString());
      }
    } finally {
      await releaseTree(tree);
    }
  }
}

/** The patterns of what stays out of the context. */
export async function loadIgnore(
  job: BuildJob,
  source: BuildSource,
  { ignore }: Definition,
): Promise<readonly string[]> {
  return ignore === undefined
    ? ignoreIn(job, source, 'context')
    : job.step({ name: '[internal] load .dockerignore' }, async () => ignore);
}

/** The same of a folder's own file. */
export async function ignoreIn(job: BuildJob, source: BuildSource, name: string): Promise<readonly string[]> {
  const step = name === 'context' ? '[internal] load .dockerignore' : `[context ${name}] load .dockerignore`;
  return job.step({ name: step }, async (output) => {
    const line = output.line('transferring context:');
    const tree = await source.context(name, {
      paths: ['.dockerignore'],
      progress: (bytes) => line.progress(bytes),
      signal: job.signal,
    });
    try {
      line.done();
      const found = await fileOf(tree, '.dockerignore');
      return found === undefined ? [] : parseIgnoreFile(found.toString());
    } finally {
      await releaseTree(tree);
    }
  });
}

/** A file of a context that is a link to another one is that one. */
async function fileOf(tree: ContextTree, path: string): Promise<Buffer | undefined> {
  let entry = tree.entries.get(bytesOf(path));
  for (let links = 0; entry?.type === 'symlink' && links < 40; links++) {
    const folder = entry.path.slice(0, entry.path.lastIndexOf('/') + 1);
    entry = tree.entries.get(folder + entry.linkName);
  }
  if (entry?.content === undefined) return undefined;
  if (entry.content.size > limits.fileBytes) throw invalid(`${path} is larger than ${limits.fileBytes} bytes`);
  return Buffer.from(await readAll(readExtents(entry.content.extents), limits.fileBytes, path));
}
