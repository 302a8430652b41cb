import { alignTabs } from '../../base/text/table.ts';
import type { Dockerfile } from '../dockerfile/parse.ts';
import type { Range } from '../dockerfile/source.ts';
import type { Graph } from '../graph/graph.ts';
import type { BuildPlan } from '../plan/plan.ts';
import { lineLocation, type Location, sourceText } from './_location.ts';

/** What a build of a target may be given. */
interface Outline {
  readonly name?: string;
  readonly description?: string;
  readonly args: readonly OutlineArgument[];
  readonly secrets: readonly OutlineMount[];
  readonly ssh: readonly OutlineMount[];
}

interface OutlineArgument {
  readonly name: string;
  readonly description?: string;
  readonly value?: string;
  readonly location: Location;
}

interface OutlineMount {
  readonly name: string;
  readonly required?: true;
  readonly location?: Location;
}

function outlineOf(file: Dockerfile, { graph, args, target }: BuildPlan): Outline {
  const stage = file.stages.findLast(({ from }) => from.name === target);
  const description = stage?.from.description ?? '';
  return {
    ...(stage === undefined ? {} : { name: target }),
    ...(description === '' ? {} : { description }),
    args: args.map(({ name, description: about, value, range }) => ({
      name,
      ...(about === '' ? {} : { description: about }),
      ...(value === undefined || value === '' ? {} : { value }),
      location: lineLocation(range),
    })),
    secrets: mountsOf(graph, 'secret'),
    ssh: mountsOf(graph, 'ssh'),
  };
}

/** Each id once, in the order of the lines where they are first asked for. */
function mountsOf(graph: Graph, type: 'secret' | 'ssh'): OutlineMount[] {
  const found = new Map<string, { required: boolean; range: Range | undefined }>();
  for (const { definition, about } of graph) {
    if (definition.kind !== 'run') continue;
    for (const mount of definition.mounts) {
      if (mount.type !== type || found.has(mount.id)) continue;
      found.set(mount.id, { required: mount.required, range: about.range });
    }
  }
  const line = (range: Range | undefined) => range?.start.line ?? 0;
  const sorted = [...found].sort(([, a], [, b]) => line(a.range) - line(b.range));
  return sorted.map(([name, { required, range }]) => ({
    name,
    ...(required ? { required } : {}),
    ...(range === undefined ? {} : { location: lineLocation(range) }),
  }));
}

/** What can be given, as the JSON that clients ask for by `--call=outline` (BuildKit, frontend.outline 1.0.0). */
export function outlineJson(file: Dockerfile, plan: BuildPlan): string {
  const given = Object.entries(outlineOf(file, plan)).filter(([, value]) => !Array.isArray(value) || value.length > 0);
  return JSON.stringify({ ...Object.fromEntries(given), sources: [sourceText(file)] }, undefined, 2);
}

/** The same for people. */
export function printOutline(file: Dockerfile, plan: BuildPlan): string {
  const { name, description, args, secrets, ssh } = outlineOf(file, plan);
  const head = [
    `TARGET:\t${name ?? '(default)'}\n`,
    ...(description === undefined ? [] : [`DESCRIPTION:\t${description}\n`]),
  ];
  const rows = args.map((arg) => `${arg.name}\t${arg.value ?? ''}\t${arg.description ?? ''}\n`);
  const mounts = (title: string, list: readonly OutlineMount[]) =>
    table(
      `${title}\tREQUIRED\n`,
      list.map((one) => `${one.name}\t${one.required === true ? 'true' : ''}\n`),
    );
  return [
    name === undefined && description === undefined ? '' : `${alignTabs(head.join(''), { minWidth: 0, padding: 1 })}\n`,
    table('BUILD ARG\tVALUE\tDESCRIPTION\n', rows),
    mounts('SECRET', secrets),
    mounts('SSH', ssh),
  ].join('');
}

/** Nothing at all without rows. */
const table = (head: string, rows: readonly string[]): string =>
  rows.length === 0 ? '' : `${alignTabs(head + rows.join(''), { minWidth: 0 })}\n`;
