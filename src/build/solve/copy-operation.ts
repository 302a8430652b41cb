import { writeTar } from '../../archive/tar/write.ts';
import { EngineError, messageOf } from '../../base/errors.ts';
import type { BuiltLayer } from '../../spec/contract/build.ts';
import type { FileView } from '../../spec/contract/files.ts';
import type { StepOutput } from '../control/job.ts';
import type { CopyAction } from '../graph/operation.ts';
import { unpackable } from './archive-source.ts';
import { selectFromContext } from './context-source.ts';
import { copyMembers, type PlacedSource } from './copy.ts';
import { filesDigest } from './files-digest.ts';
import { digestOf } from './keys.ts';
import type { BuiltRoot, BuiltSource, OperationScope } from './scope.ts';
import { explained, MissingFile } from './missing-file.ts';
import { findOwner } from './owner.ts';
import { pathsInRoot, selectFromRoot } from './root-source.ts';
import { inlineSource } from './inline-source.ts';
import type { CopiedSource } from './source.ts';

/** COPY and ADD: the layer is written straight from where the files are. */
export async function makeCopy(scope: OperationScope, actions: readonly CopyAction[]): Promise<BuiltRoot> {
  const { base, input } = scope;
  const taken: Taken[] = [];
  for (const action of actions) {
    const from = await scope.source(action.from);
    taken.push(await counted(scope, () => takenBy(scope, action, from)));
  }
  const key = (digests: readonly string[]): readonly unknown[] => ['copy', base.key, actions, digests];
  const quick = key(taken.map(({ digest }) => digest));
  // What is copied out of another stage is the same when its files are, whatever happened to the rest of that stage.
  const closer = (): Promise<readonly unknown[]> =>
    counted(scope, async () => {
      const digests: string[] = [];
      for (const one of taken) digests.push('fixed' in one ? one.digest : await chosenDigest(scope, one));
      return key(digests);
    });
  const make = (output: StepOutput): Promise<BuiltLayer | undefined> =>
    scope.onView(base, (view) =>
      withSources(scope, taken, async (placed) => {
        const sources: PlacedSource[] = [];
        for (const { action, source } of placed) sources.push(await place(scope, view, { action, source }, output));
        return input.content.storeLayer(writeTar(copyMembers(view, sources), 'passing'), input.signal);
      }),
    );
  return scope.cached(quick, make, taken.every((one) => 'fixed' in one) ? undefined : closer);
}

/** What `look` gives; when a file is missing the step has failed, in BuildKit's words. */
async function counted<T>({ operation, input }: OperationScope, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'not-found') throw error;
    const message = `failed to compute cache key: failed to calculate checksum of ref ${operation.digest}: ${messageOf(error)}`;
    const failure = new EngineError('not-found', message, { cause: error });
    return input.job.step({ name: operation.about.title }, async () => {
      throw failure;
    });
  }
}

const chosenDigest = (scope: OperationScope, taken: Taken): Promise<string> =>
  withSources(scope, [taken], (chosen) => filesDigest(chosen.map(({ source }) => source)));

/** What one action takes. */
type Taken =
  | { readonly digest: string; readonly action: CopyAction; readonly fixed: readonly CopiedSource[] }
  | { readonly digest: string; readonly action: CopyAction; readonly root: BuiltRoot };

interface Chosen {
  readonly action: CopyAction;
  readonly source: CopiedSource;
}

async function takenBy(scope: OperationScope, action: CopyAction, from: BuiltSource): Promise<Taken> {
  switch (from.kind) {
    case 'root':
      return { digest: digestOf(['root', from.key]), action, root: from };
    case 'context': {
      const { exclude: excludes, include, required } = action;
      const selection = { excludes, include, required, isExact: from.isExact };
      const { digest, sources } = await explained(
        () => selectFromContext(from.tree, action.source, selection),
        from.names,
      );
      return { digest, action, fixed: sources };
    }
    case 'inline':
      return { digest: digestOf([from]), action, fixed: [inlineSource(from, scope.ports.clock)] };
  }
}

/** Sources out of other roots are there as long as `use` runs. */
async function withSources<T>(
  scope: OperationScope,
  taken: readonly Taken[],
  use: (chosen: readonly Chosen[]) => Promise<T>,
  found: readonly Chosen[] = [],
): Promise<T> {
  const [first, ...rest] = taken;
  if (first === undefined) return use(found);
  const { action } = first;
  const choose = (sources: readonly CopiedSource[]): Chosen[] => sources.map((source) => ({ action, source }));
  if ('fixed' in first) return withSources(scope, rest, use, [...found, ...choose(first.fixed)]);
  return scope.onView(first.root, async (view) => {
    if (view === undefined) throw new MissingFile(action.source);
    const { exclude: excludes, include, required } = action;
    const selected = await explained(
      () => selectFromRoot(view, action.source, { excludes, include, required }),
      (folder) => pathsInRoot(view, folder),
    );
    return withSources(scope, rest, use, [...found, ...choose(selected)]);
  });
}

async function place(
  { ports }: OperationScope,
  view: FileView | undefined,
  { action, source }: Chosen,
  output: StepOutput,
): Promise<PlacedSource> {
  const { destination, mode, owner } = action;
  const archive = action.unpack && !source.isDirectory ? await unpackable(source) : undefined;
  return {
    source: archive ?? source,
    wishes: {
      destination: archive === undefined ? destination : `${destination.replace(/\/?$/, '/')}`,
      // What is in an archive says itself how it is.
      mode: archive === undefined ? mode : undefined,
      owner:
        owner === undefined
          ? undefined
          : await findOwner(view, owner, (problem) => output.log(2, Buffer.from(`${problem}\n`))),
      time: Number(ports.clock.nowNs() / 1_000_000_000n),
      onlyNew: false,
      replaces: archive !== undefined,
    },
  };
}
