import { type Graph, GraphBuilder } from './graph.ts';

/** Several graphs as one, in which what they have in common is there once. */
export interface MergedGraph {
  readonly graph: Graph;
  /** The new places of the operations of each, by their old ones. */
  readonly places: readonly (readonly number[])[];
}

export function mergeGraphs(graphs: readonly Graph[]): MergedGraph {
  const builder = new GraphBuilder();
  const places = graphs.map((graph) => {
    const moved: number[] = [];
    for (const { definition, inputs, about } of graph) {
      moved.push(
        builder.add(
          definition,
          inputs.map((input) => moved[input] as number),
          about,
        ),
      );
    }
    return moved;
  });
  return { graph: builder.all(), places };
}
