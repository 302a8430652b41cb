import { binarySize, humanSize } from '../../base/text/units.ts';
import type { RowKind } from '../format/rows.ts';
import { shortId } from '../format/text.ts';

/** The parts of a stats answer that the table needs. */
export interface StatsAnswer {
  readonly name?: string;
  readonly id?: string;
  readonly cpu_stats: CpuStats;
  readonly precpu_stats: CpuStats;
  readonly memory_stats: {
    readonly usage?: number;
    readonly limit?: number;
    readonly stats?: Readonly<Record<string, number>>;
  };
  readonly pids_stats?: { readonly current?: number };
  readonly networks?: Readonly<Record<string, { readonly rx_bytes: number; readonly tx_bytes: number }>>;
  readonly blkio_stats?: {
    readonly io_service_bytes_recursive?: readonly { readonly op: string; readonly value: number }[] | null;
  };
}
interface CpuStats {
  readonly cpu_usage: { readonly total_usage: number; readonly percpu_usage?: readonly number[] | null };
  readonly system_cpu_usage?: number;
  readonly online_cpus?: number;
}

/** One row: a container by the name it was asked for, and its figures, unless there are none. */
export interface StatsRow {
  readonly container: string;
  readonly answer: StatsAnswer | undefined;
}

function cpuPercent({ cpu_stats: now, precpu_stats: before }: StatsAnswer): number {
  const used = now.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const passed = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  const cpus = now.online_cpus || (now.cpu_usage.percpu_usage?.length ?? 0);
  return passed > 0 && used > 0 ? (used / passed) * cpus * 100 : 0;
}

/** What is used, without the page cache that the kernel can drop at once. */
function memoryUsed({ memory_stats: { usage = 0, stats = {} } }: StatsAnswer): number {
  const idle = stats['total_inactive_file'] ?? stats['inactive_file'] ?? 0;
  return idle < usage ? usage - idle : usage;
}

const memoryLimit = ({ memory_stats: { limit = 0 } }: StatsAnswer): number => limit;
const percent = (value: number): string => `${value.toFixed(2)}%`;

function memoryPercent(answer: StatsAnswer): number {
  const limit = memoryLimit(answer);
  return limit === 0 ? 0 : (memoryUsed(answer) / limit) * 100;
}

function networkText({ networks = {} }: StatsAnswer): string {
  const sum = (key: 'rx_bytes' | 'tx_bytes') => Object.values(networks).reduce((total, item) => total + item[key], 0);
  return `${humanSize(sum('rx_bytes'), 3)} / ${humanSize(sum('tx_bytes'), 3)}`;
}

function blockText({ blkio_stats: stats }: StatsAnswer): string {
  const sum = (letter: string) =>
    (stats?.io_service_bytes_recursive ?? [])
      .filter(({ op }) => op.toLowerCase().startsWith(letter))
      .reduce((total, { value }) => total + value, 0);
  return `${humanSize(sum('r'), 3)} / ${humanSize(sum('w'), 3)}`;
}

const orNone =
  (text: (answer: StatsAnswer) => string, none = '--') =>
  ({ answer }: StatsRow): string =>
    answer === undefined ? none : text(answer);

/** What `stats --format` can name. */
export const statsKind = (truncates: boolean): RowKind<StatsRow> => ({
  goType: '*container.statsContext',
  columns: {
    BlockIO: { header: 'BLOCK I/O', of: orNone(blockText) },
    CPUPerc: { header: 'CPU %', of: orNone((answer) => percent(cpuPercent(answer))) },
    Container: { header: 'CONTAINER', of: ({ container }) => container },
    ID: { header: 'CONTAINER ID', of: ({ answer }) => (truncates ? shortId(answer?.id ?? '') : (answer?.id ?? '')) },
    MemPerc: { header: 'MEM %', of: orNone((answer) => percent(memoryPercent(answer))) },
    MemUsage: {
      header: 'MEM USAGE / LIMIT',
      of: orNone((answer) => `${binarySize(memoryUsed(answer))} / ${binarySize(memoryLimit(answer))}`, '-- / --'),
    },
    Name: { header: 'NAME', of: ({ answer }) => (answer?.name ?? '').slice(1) || '--' },
    NetIO: { header: 'NET I/O', of: orNone(networkText) },
    PIDs: { header: 'PIDS', of: orNone(({ pids_stats: pids }) => String(pids?.current ?? 0)) },
  },
});

export const statsTable = ['ID', 'Name', 'CPUPerc', 'MemUsage', 'MemPerc', 'NetIO', 'BlockIO', 'PIDs'] as const;
