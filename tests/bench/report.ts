import { cpus, loadavg, release, totalmem } from 'node:os';
import type { MemoryUse } from './memory.ts';
import { ratioOf, summarize } from './statistics.ts';

/** Everything that one run of the benchmark measured; written as JSON. */
export interface BenchResult {
  readonly date: string;
  readonly host: { readonly cpus: number; readonly model: string; readonly memoryGiB: number; readonly kernel: string };
  /** Load average of one minute at the start and at the end. */
  readonly load: [number, number];
  readonly versions: Readonly<Record<string, string>>;
  readonly pairs: number;
  /** Milliseconds by case and engine, one value a round. */
  readonly cases: Record<
    string,
    { goal?: number; most?: number; times: Record<string, number[]>; refused: Record<string, string> }
  >;
  /** Gantry's command line beside docker's, on the same engine. */
  readonly clients: Record<string, Record<string, { wall: number[]; cpu: number[] }>>;
  readonly memory: Record<string, MemoryUse>;
  /** Longest time that the engine's event loop was held up in these runs, in milliseconds; absent when not told. */
  eventLoopMs?: number;
}

export const hostFacts = (): BenchResult['host'] => ({
  cpus: cpus().length,
  model: cpus()[0]?.model ?? 'unknown',
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  kernel: release(),
});

export const currentLoad = (): number => loadavg()[0] ?? 0;

/** The result as tables in Markdown. */
export function renderReport(result: BenchResult): string {
  return [caseTable(result), clientTable(result), memoryTable(result), footer(result)].join('\n\n');
}

const peers = ['gantry', 'dockerd', 'podman'];

function caseTable(result: BenchResult): string {
  const rows = Object.entries(result.cases).map(([name, { goal, most, times, refused }]) => {
    const cells = peers.map((peer) => timeCell(times[peer], refused[peer]));
    const ours = times['gantry'] ?? [];
    const theirs = times['dockerd'] ?? [];
    return [`\`${name}\``, ...cells, ratioCell(ours, theirs), goalCell(goal, most)];
  });
  return table(['docker client, ms', ...peers, 'ratio to dockerd', 'goal'], rows);
}

const goalCell = (goal: number | undefined, most: number | undefined): string =>
  most === undefined ? (goal?.toFixed(2) ?? '') : `at most ${most}`;

const timeCell = (times: readonly number[] | undefined, refused: string | undefined): string => {
  if (times === undefined || times.length === 0) return refused === undefined ? '' : 'refused';
  const { least, median, quartiles } = summarize(times);
  return `${round(median)} (${round(quartiles[0])}-${round(quartiles[1])}, least ${round(least)})`;
};

function ratioCell(ours: readonly number[], theirs: readonly number[]): string {
  if (ours.length === 0 || theirs.every((time) => time === 0)) return '';
  const { median, quartiles } = ratioOf(ours, theirs);
  return `**${median.toFixed(2)}** (${quartiles[0].toFixed(2)}-${quartiles[1].toFixed(2)})`;
}

function clientTable(result: BenchResult): string {
  const rows = Object.entries(result.clients).flatMap(([name, byClient]) =>
    (['wall', 'cpu'] as const).map((kind) => {
      const ours = byClient['gantry']?.[kind] ?? [];
      const theirs = byClient['docker']?.[kind] ?? [];
      return [
        `\`${name}\`, ${kind}`,
        timeCell(ours, undefined),
        timeCell(theirs, undefined),
        ratioCell(ours, theirs),
        '1.00',
      ];
    }),
  );
  return table(['command line on the same engine, ms', 'gantry', 'docker', 'ratio', 'goal'], rows);
}

function memoryTable(result: BenchResult): string {
  const rows = Object.entries(result.memory).map(([peer, use]) => [
    peer,
    use.idle.toFixed(0),
    use.withContainers.toFixed(0),
    use.perMonitor.toFixed(2),
  ]);
  const goals = ['goal', '100', '130', '1.20'];
  return table(['memory, MiB', 'idle, RSS', '50 containers, RSS', 'a container (monitor), PSS'], [...rows, goals]);
}

function footer(result: BenchResult): string {
  const { host, load, versions } = result;
  const loop = result.eventLoopMs === undefined ? 'not told by the engine' : `${result.eventLoopMs.toFixed(0)} ms`;
  return [
    `Longest hold-up of the engine's event loop in these runs: ${loop} (goal: at most 50 ms).`,
    '',
    `Measured ${result.date.slice(0, 16).replace('T', ' ')} UTC, ${result.pairs} interleaved rounds, on ${host.cpus} x ${host.model},`,
    `${host.memoryGiB} GiB, Linux ${host.kernel}; load ${load[0].toFixed(1)} at the start, ${load[1].toFixed(1)} at the end.`,
    `Versions: ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}.`,
  ].join('\n');
}

function round(value: number): string {
  if (value >= 10 || value === 0) return value.toFixed(0);
  return value < 1 ? value.toFixed(3) : value.toFixed(1);
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
