import { internal, invalid } from '../../base/errors.ts';
import type { BuildContent } from '../../spec/contract/build.ts';
import type { BuildJob } from '../control/job.ts';
import { formatGraph, graphFormats } from '../graph/formats.ts';
import type { Graph } from '../graph/graph.ts';
import { mergeGraphs } from '../graph/merge.ts';
import { errorOf } from '../planner/task.ts';
import type { SolvePorts } from '../solve/ports.ts';
import { type Definition, loadIgnore } from './definition.ts';
import { type Attributes, buildOptions, targetsOf } from './options.ts';
import { planWithOwnImages } from './own-images.ts';
import type { BuildSource } from './source.ts';

/** Says how the graph is to be shown: one of `graphFormats`. */
const formatAttribute = 'graph-format';
/** An answer is one message. */
const mostText = 6 << 20;

export interface GraphRequest {
  readonly content: BuildContent;
  readonly source: BuildSource;
  readonly options: Attributes;
}

/**
 * What a build would do, as a graph of operations; nothing of it is done, and no registry is asked: of base images that the
 * engine has not, what they are configured for is not in it. @throws DockerfileError, EngineError `invalid`
 */
export async function describeGraph(
  ports: SolvePorts,
  job: BuildJob,
  { content, source, options: attributes }: GraphRequest,
  definition: Definition,
): Promise<{ readonly text: string; readonly json: string }> {
  const wanted = attributes.get(formatAttribute) || 'text';
  const format = graphFormats.find((one) => one === wanted);
  if (format === undefined) {
    throw invalid(`${formatAttribute}: ${JSON.stringify(wanted.slice(0, 100))}: expected ${graphFormats.join(', ')}`);
  }
  const ignore = await loadIgnore(job, source, definition);
  const file = { name: definition.name, text: definition.text };
  const graphs: Graph[] = [];
  for (const platform of targetsOf(attributes, ports.platform).platforms) {
    const options = buildOptions(attributes, ports.platform, platform);
    const reply = await planWithOwnImages(ports, content, { purpose: 'build', source: file, options, ignore });
    if (reply.kind === 'fault') throw errorOf(reply.fault);
    if (reply.kind !== 'plan') throw internal('a build was checked instead of planned');
    graphs.push(reply.plan.graph);
  }
  const [only] = graphs;
  const graph = only !== undefined && graphs.length === 1 ? only : mergeGraphs(graphs).graph;
  const [text, json] = [formatGraph(graph, format), formatGraph(graph, 'json')];
  if (text.length + json.length > 2 * mostText) throw invalid('the graph of the build is too large to be shown');
  return { text, json };
}
