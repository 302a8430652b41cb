import { checkDockerfile } from '../check/check.ts';
import { checkJson, printCheck, printFault } from '../check/print.ts';
import type { BuildJob } from '../control/job.ts';
import { parseDockerfile } from '../dockerfile/parse.ts';
import { PathMatcher } from '../ignore/matcher.ts';
import { missing } from '../solve/keys.ts';
import type { SolvePorts } from '../solve/ports.ts';
import { type Definition, loadDefinition, loadIgnore } from './definition.ts';
import { type Attributes, buildOptions } from './options.ts';
import type { BuildSource } from './source.ts';

export interface SubRequest {
  readonly source: BuildSource;
  readonly options: Attributes;
  /** `frontend.lint` and the like. */
  readonly wanted: string;
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
  { platform }: SolvePorts,
  job: BuildJob,
  { source: from, options }: SubRequest,
  definition: Definition,
): Promise<Answer> {
  const source = { name: definition.name, text: definition.text };
  const ignored = new PathMatcher([...(await loadIgnore(job, from, definition))]);
  const result = checkDockerfile({
    source,
    options: buildOptions(options, platform),
    lookUp: () => 'unknown',
    ignored,
  });
  const fault = result.error === undefined ? '' : printFault(source, result.error);
  const isClean = result.findings.length === 0 && result.error === undefined;
  return answer(checkJson(source, result), printCheck(source, result) + fault, {
    'result.statuscode': isClean ? '0' : '1',
  });
}

/** The stages, by their names and numbers. */
function targets({ name, text }: Definition): Answer {
  const { stages } = parseDockerfile({ name, text });
  const list = stages.map((stage, index) => ({
    ...(stage.from.name === '' ? {} : { name: stage.from.name }),
    ...(index === stages.length - 1 ? { default: true } : {}),
    base: stage.from.base.text,
    platform: stage.from.platform?.text ?? '',
    location: { ranges: [{ start: { line: stage.from.range.start.line }, end: { line: stage.from.range.end.line } }] },
  }));
  const lines = list.map((target) => `${target.name ?? '(unnamed)'}${target.default === true ? ' (default)' : ''}\n`);
  const json = { targets: list, sources: [Buffer.from(text).toString('base64')] };
  return answer(JSON.stringify(json, undefined, 2), `TARGET\n${lines.join('')}`);
}

function description(): Answer {
  const requests = ['frontend.lint', 'frontend.targets', 'frontend.subrequests.describe'].map((name) => ({
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
