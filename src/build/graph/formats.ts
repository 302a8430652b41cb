import { type Graph, printGraph } from './graph.ts';

/** How a graph can be shown. */
export const graphFormats = ['text', 'json', 'dot'] as const;
export type GraphFormat = (typeof graphFormats)[number];

/** A graph for people, for programs, or for Graphviz. */
export function formatGraph(graph: Graph, format: GraphFormat): string {
  if (format === 'json') return `${graphJson(graph)}\n`;
  return format === 'dot' ? graphDot(graph) : `${printGraph(graph)}\n`;
}

/** A list of operations in an order in which all can be solved: what each is, which others it works on, its first line. */
function graphJson(graph: Graph): string {
  const operations = graph.map(({ index, definition: { kind, ...definition }, inputs, digest, about }) => ({
    index,
    digest,
    kind,
    title: about.title,
    inputs,
    ...(about.range === undefined ? {} : { line: about.range.start.line }),
    ...(about.noCache ? { noCache: true } : {}),
    definition,
  }));
  const plain = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
  return JSON.stringify({ operations }, plain, 2);
}

const longestLabel = 120;

function graphDot(graph: Graph): string {
  const lines = graph.flatMap(({ index, inputs, definition, about }) => {
    const title = about.title === '' ? definition.kind : about.title;
    const label = title.length > longestLabel ? `${title.slice(0, longestLabel)}...` : title;
    const shape = inputs.length === 0 ? 'ellipse' : 'box';
    return [
      `  n${index} [shape=${shape}, label=${JSON.stringify(`#${index} ${label}`)}];`,
      ...inputs.map((input) => `  n${input} -> n${index};`),
    ];
  });
  return `digraph build {\n${lines.join('\n')}\n}\n`;
}
