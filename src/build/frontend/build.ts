import { Scope } from '../../base/scope.ts';
import type { BaseImage, BuildContent, BuiltLayer } from '../../spec/contract/build.ts';
import { formatPlatform } from '../../spec/oci/platform.ts';
import { type ContextTree, releaseTree } from '../context/tree.ts';
import { SourceError } from '../control/failure.ts';
import type { BuildJob } from '../control/job.ts';
import { DockerfileError } from '../dockerfile/error.ts';
import { type Dockerfile, parseDockerfile } from '../dockerfile/parse.ts';
import type { Range } from '../dockerfile/source.ts';
import { receiveFolder } from '../fsutil/receive.ts';
import type { WantedImage } from '../plan/options.ts';
import { type BuildPlan, planBuild } from '../plan/plan.ts';
import type { Session } from '../session/session.ts';
import { Evaluation } from '../solve/evaluate.ts';
import { missing } from '../solve/keys.ts';
import type { SolvePorts } from '../solve/ports.ts';
import type { AddedLayer } from '../solve/scope.ts';
import { type Definition, loadDefinition, loadIgnore } from './definition.ts';
import { type Attributes, buildOptions } from './options.ts';

/** What a build has made: the layers of the image, and the plan that says everything else. */
export interface Built {
  readonly plan: BuildPlan;
  /** Lowest first. */
  readonly layers: readonly BuiltLayer[];
  /** What each step of the history that may have a layer has added. */
  readonly added: readonly AddedLayer[];
}

/** Builds what a Dockerfile says (`dockerfile.v0`). `content` holds what it makes. */
export async function buildDockerfile(
  ports: SolvePorts,
  job: BuildJob,
  content: BuildContent,
  attributes: Attributes,
): Promise<Built> {
  const contextLocator = attributes.get('context') ?? '';
  if (contextLocator !== '') throw missing(`a build context at ${JSON.stringify(contextLocator)}`);
  const sessionId = attributes.get('local-sessionid:context') ?? job.request.session;
  const session = await ports.sessions.find(sessionId, job.signal);
  const definition = await loadDefinition(ports, job, session, attributes);
  try {
    return await build({ ports, job, content, session, attributes, definition });
  } catch (error) {
    if (!(error instanceof DockerfileError)) throw error;
    throw new SourceError(error, placeOf(definition, error.range));
  }
}

interface BuildScope {
  readonly ports: SolvePorts;
  readonly job: BuildJob;
  readonly content: BuildContent;
  readonly session: Session;
  readonly attributes: Attributes;
  readonly definition: Definition;
}

async function build(scope: BuildScope): Promise<Built> {
  const { ports, job, content, session, attributes, definition } = scope;
  const file = parseDockerfile({ name: definition.name, text: definition.text });
  const options = buildOptions(attributes, ports.platform);
  const { plan, images } = await planned(scope, file, options);
  const ignore = await loadIgnore(ports, job, session, definition);
  await using held = new Scope();
  const trees = new Map<string, Promise<ContextTree>>();
  const context = (name: string): Promise<ContextTree> => {
    let tree = trees.get(name);
    if (tree === undefined) {
      tree = held.acquire(loadContext(scope, plan, ignore, name), releaseTree);
      trees.set(name, tree);
    }
    return tree;
  };
  const evaluation = new Evaluation(ports, {
    graph: plan.graph,
    job,
    content,
    image: (reference, platform) => images.get(imageKey(reference, platform)),
    context,
    place: (range) => (range === undefined ? undefined : placeOf(definition, range)),
    hostConfig: attributes.get('cgroup-parent') ? { CgroupParent: attributes.get('cgroup-parent') as string } : {},
  });
  const { layers } = await evaluation.root(plan.result);
  return { plan, layers, added: await evaluation.addedLayers(plan.result) };
}

const imageKey = (reference: string, platform: string): string => `${reference} ${platform}`;

/** Plans, and looks images up until the plan wants no more. */
async function planned(
  { job, content }: BuildScope,
  file: Dockerfile,
  options: ReturnType<typeof buildOptions>,
): Promise<{ plan: BuildPlan; images: ReadonlyMap<string, BaseImage> }> {
  const images = new Map<string, BaseImage>();
  const lookUp = ({ reference, platform }: WantedImage) => {
    const image = images.get(imageKey(reference, formatPlatform(platform)));
    return image === undefined ? undefined : { reference, config: image.config };
  };
  for (;;) {
    const result = planBuild({
      file,
      options,
      lookUp,
    });
    if (result.kind === 'plan') return { plan: result, images };
    await Promise.all(
      result.images.map(async ({ reference, platform }) => {
        const base = await job.step({ name: `[internal] load metadata for ${reference}` }, () =>
          content.base(reference, formatPlatform(platform)),
        );
        images.set(imageKey(reference, formatPlatform(platform)), base);
      }),
    );
  }
}

/** The files of the build's own context that the plan uses. */
async function loadContext(
  { ports, job, session }: BuildScope,
  plan: BuildPlan,
  ignore: readonly string[],
  name: string,
): Promise<ContextTree> {
  if (name !== 'context') throw missing(`the named context ${JSON.stringify(name)}`);
  const paths = plan.contextPaths.get(name) ?? ['/'];
  const wanted = paths.map((path) => path.replace(/^\/+/, ''));
  return job.step({ name: '[internal] load build context' }, async (output) => {
    const line = output.line('transferring context:');
    const tree = await receiveFolder(session, ports.contexts, {
      name: 'context',
      excludes: ignore,
      followPaths: wanted.includes('') ? [] : wanted,
      progress: (bytes) => line.progress(bytes),
      signal: job.signal,
    });
    line.done();
    return tree;
  });
}

const placeOf = ({ name, bytes }: Definition, { start, end }: Range) => ({
  filename: name,
  data: bytes,
  ranges: [{ start: start.line, end: end.line }],
});
