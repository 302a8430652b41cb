import { internal } from '../../base/errors.ts';
import { checkJson, printCheck, printFault } from '../check/print.ts';
import type { BuildContent } from '../../spec/contract/build.ts';
import type { BuildJob } from '../control/job.ts';
import type { Platform } from '../../spec/oci/image.ts';
import { outlineJson, printOutline } from '../describe/outline.ts';
import { printTargets, targetsJson } from '../describe/targets.ts';
import { parseDockerfile } from '../dockerfile/parse.ts';
import type { BuildOptions } from '../plan/options.ts';
import { planBuild } from '../plan/plan.ts';
import { errorOf } from '../planner/task.ts';
import { missing } from '../solve/keys.ts';
import type { SolvePorts } from '../solve/ports.ts';
import { describeGraph } from './graph-request.ts';
import { planWithOwnImages } from './own-images.ts';
import { type Definition, loadDefinition, loadIgnore } from './definition.ts';
import { type Attributes, buildOptions, targetsOf } from './options.ts';
import type { BuildSource } from './source.ts';

export interface SubRequest {
  readonly content: BuildContent;
  readonly source: BuildSource;
  readonly options: Attributes;
  /** `frontend.lint` and the like. */
  readonly wanted: string;
}

/** An answer is about the first of several platforms. */
function requestOptions(attributes: Attributes, host: Platform): BuildOptions {
  const [first] = targetsOf(attributes, host).platforms;
  return buildOptions(attributes, host, first);
}

type Answer = ReadonlyMap<string, Uint8Array>;

/** What clients ask about a Dockerfile instead of a build (`--check`, `--call`). @throws not-implemented, DockerfileError */
export async function answerRequest(ports: SolvePorts, job: BuildJob, request: SubRequest): Promise<Answer> {
  const definition = await loadDefinition(job, request.source, request.options);
  switch (request.wanted) {
    case 'frontend.lint':
      return lint(ports, job, request, definition);
    case 'frontend.targets':
      return targets(definition);
    case 'frontend.outline':
      return outline(ports, request, definition);
    case 'frontend.graph': {
      const { json, text } = await describeGraph(ports, job, request, definition);
      return answer(json, text);
    }
    case 'frontend.subrequests.describe':
      return description();
    default:
      throw missing(`the request ${JSON.stringify(request.wanted)}`);
  }
}

const version = '1.0.0';

const answer = (json: string, text: string, more: Readonly<Record<string, string>> = {}): Answer =>
  new Map(
    Object.entries({ 'result.json': json, 'result.txt': text, version, ...more }).map(([name, value]) => [
      name,
      Buffer.from(value),
    ]),
  );

async function lint(
  ports: SolvePorts,
  job: BuildJob,
  { content, source: from, options: attributes }: SubRequest,
  definition: Definition,
): Promise<Answer> {
  const source = { name: definition.name, text: definition.text };
  const ignore = from.hasAll === true ? [] : await loadIgnore(job, from, definition);
  const options = requestOptions(attributes, ports.platform);
  const reply = await planWithOwnImages(ports, content, { purpose: 'check', source, options, ignore });
  if (reply.kind === 'fault') throw errorOf(reply.fault);
  if (reply.kind !== 'checked') throw internal('a check was planned instead');
  const error = reply.fault === undefined ? undefined : errorOf(reply.fault);
  const result = { findings: reply.findings, error };
  const fault = result.error === undefined ? '' : printFault(source, result.error);
  const isClean = result.findings.length === 0 && result.error === undefined;
  return answer(checkJson(source, result), printCheck(source, result) + fault, {
    'result.statuscode': isClean ? '0' : '1',
  });
}

/** The stages. */
function targets({ name, text }: Definition): Answer {
  const file = parseDockerfile({ name, text });
  return answer(targetsJson(file), printTargets(file));
}

/** What a build of the target can be given. Base images are not asked for: they have no say in it but by their triggers. */
function outline({ platform }: SolvePorts, { options }: SubRequest, { name, text }: Definition): Answer {
  const file = parseDockerfile({ name, text });
  const plan = planBuild({ file, options: requestOptions(options, platform), lookUp: () => 'unknown' });
  if (plan.kind !== 'plan') throw internal('an outline needs no images');
  return answer(outlineJson(file, plan), printOutline(file, plan));
}

function description(): Answer {
  const requests = [
    'frontend.lint',
    'frontend.outline',
    'frontend.targets',
    'frontend.graph',
    'frontend.subrequests.describe',
  ].map((name) => ({
    name,
    version,
    type: 'rpc',
    description: '',
    opts: [],
    inputs: [],
    metadata: [{ name: 'result.json' }, { name: 'result.txt' }],
    refs: [],
  }));
  return answer(JSON.stringify(requests), requests.map(({ name }) => `${name}\n`).join(''));
}
