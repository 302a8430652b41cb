import { invalid } from '../base/errors.ts';
import { isHex64 } from '../base/ids.ts';
import type { ContainerSummary, PortMap, PortSummary } from '../spec/engine/container.ts';
import { type Filters, filterValues, labelsMatch, patternFilter } from '../spec/engine/filters.ts';
import type { ContainerContext } from './context.ts';
import { viewEndpoints } from './endpoints.ts';
import type { ContainerEntry } from './entry.ts';
import { viewMounts } from './inspect.ts';
import { namesByLinks } from './links/links.ts';
import type { ContainerRecord } from './record.ts';
import { statusOf } from './state.ts';
import { describeState } from './status.ts';

export interface ListWishes {
  readonly all: boolean;
  readonly limit?: number;
  readonly size: boolean;
  readonly signal?: AbortSignal;
  readonly filters: Filters;
}

const knownFilters = [
  'ancestor',
  'before',
  'exited',
  'expose',
  'health',
  'id',
  'is-task',
  'isolation',
  'label',
  'label!',
  'name',
  'network',
  'publish',
  'since',
  'status',
  'volume',
] as const;
const healthStatuses = ['none', 'starting', 'healthy', 'unhealthy'];
const statuses = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];

/** `docker ps`. Newest first. @throws invalid for unknown filters or values. */
export async function listContainers(ctx: ContainerContext, wishes: ListWishes): Promise<ContainerSummary[]> {
  const { filters } = wishes;
  checkFilters(filters);
  const anyPhase = wishes.all || wishes.limit !== undefined || filters.has('status') || filters.has('exited');
  const chosen: ContainerEntry[] = [];
  const matches = matcher(ctx, filters);
  for (const entry of ctx.table.list()) {
    const { phase } = entry.record.state;
    if (!anyPhase && phase !== 'running' && phase !== 'restarting') continue;
    if (!matches(entry)) continue;
    chosen.push(entry);
    if (wishes.limit !== undefined && wishes.limit > 0 && chosen.length >= wishes.limit) break;
  }
  const linkNames = namesByLinks(ctx.table.list());
  const now = { nowNs: ctx.clock.nowNs(), imageIdOf: memoized((name: string) => ctx.images.idOf(name)) };
  const summaries = chosen.map((entry) => summarize(ctx, entry, linkNames.get(entry.id) ?? [], now));
  if (!wishes.size) return summaries;
  return Promise.all(summaries.map((summary, at) => withSizes(ctx, chosen[at], summary, wishes.signal)));
}

/** Hundreds of containers are of a few images: each name is looked up once a list. */
function memoized<T>(find: (name: string) => T): (name: string) => T {
  const found = new Map<string, T>();
  return (name) => {
    if (!found.has(name)) found.set(name, find(name));
    return found.get(name) as T;
  };
}

async function withSizes(
  ctx: ContainerContext,
  entry: ContainerEntry | undefined,
  summary: ContainerSummary,
  signal: AbortSignal | undefined,
): Promise<ContainerSummary> {
  if (entry === undefined) return summary;
  const { writable, layers } = await ctx.snapshots.usage(entry.id, signal);
  return { ...summary, SizeRw: writable, SizeRootFs: writable + layers };
}

function checkFilters(filters: Filters): void {
  for (const key of filters.keys()) {
    if (!(knownFilters as readonly string[]).includes(key)) throw invalid(`invalid filter '${key}'`);
  }
  for (const status of filters.get('status') ?? []) {
    if (!statuses.includes(status)) throw invalid(`invalid filter 'status=${status}'`);
  }
  for (const health of filters.get('health') ?? []) {
    if (healthStatuses.includes(health)) continue;
    const known = healthStatuses.join(', ');
    throw invalid(`invalid filter 'health=${health}': invalid value for health (${health}): must be one of ${known}`);
  }
  for (const code of filters.get('exited') ?? []) {
    if (!/^-?\d{1,10}$/.test(code)) throw invalid(`invalid filter 'exited=${code}'`);
  }
}

type Test = (entry: ContainerEntry) => boolean;

/** One test a filter; a container is listed when all hold. */
function matcher(ctx: ContainerContext, filters: Filters): Test {
  const tests: Test[] = [({ record }) => labelsMatch(filters, record.config.Labels)];
  const any = (key: string, test: (value: string, entry: ContainerEntry) => boolean): void => {
    const values = filterValues(filters, key);
    if (values !== undefined) tests.push((entry) => values.some((value) => test(value, entry)));
  };
  any('id', (value, { id }) => id.startsWith(value));
  const hasName = patternFilter(filters, 'name');
  const linkNames = namesByLinks(ctx.table.list());
  tests.push(({ id, record }) => hasName([record.name, `/${record.name}`, ...(linkNames.get(id) ?? [])]));
  any('status', (value, { record }) => statusOf(record.state) === value);
  any('exited', (value, { record }) => record.state.phase === 'exited' && record.state.exitCode === Number(value));
  any('ancestor', (value, entry) => isAncestor(value, entry));
  any('volume', (value, { record }) => record.mounts.some((m) => m.name === value || m.destination === value));
  any('network', (value, entry) =>
    Object.entries(viewEndpoints(entry)).some(([name, end]) => name === value || end.NetworkID === value),
  );
  any('health', (value, { record }) => value === (record.health?.status ?? 'none'));
  any('is-task', (value) => value === 'false' || value === '0');
  any('expose', (value, { record }) => Object.keys(record.config.ExposedPorts ?? {}).includes(withProtocol(value)));
  any('publish', (value, { record }) => (record.sandbox?.ports[withProtocol(value)]?.length ?? 0) > 0);
  const before = filterValues(filters, 'before')?.map((name) => ctx.table.find(name).record.createdNs);
  if (before !== undefined) tests.push(({ record }) => before.every((ns) => record.createdNs < ns));
  const since = filterValues(filters, 'since')?.map((name) => ctx.table.find(name).record.createdNs);
  if (since !== undefined) tests.push(({ record }) => since.every((ns) => record.createdNs > ns));
  return (entry) => tests.every((test) => test(entry));
}

const withProtocol = (port: string): string => (port.includes('/') ? port : `${port}/tcp`);

function isAncestor(wanted: string, { record }: ContainerEntry): boolean {
  const hex = wanted.startsWith('sha256:') ? wanted.slice(7) : wanted;
  const tagged = wanted.includes(':') || wanted.includes('@') ? wanted : `${wanted}:latest`;
  const isName = record.imageName === wanted || record.imageName === tagged || `${record.imageName}:latest` === wanted;
  return isName || (hex.length >= 4 && record.imageId.slice(7).startsWith(hex));
}

function summarize(
  ctx: ContainerContext,
  entry: ContainerEntry,
  linkNames: readonly string[],
  now: { readonly nowNs: bigint; readonly imageIdOf: (name: string) => string | undefined },
): ContainerSummary {
  const { record } = entry;
  const { config, hostConfig, state } = record;
  return {
    Id: entry.id,
    Names: [`/${record.name}`, ...linkNames],
    Image: imageShown(record, now.imageIdOf),
    ImageID: record.imageId,
    Command: [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])].map(quoteWord).join(' '),
    Created: Number(record.createdNs / 1_000_000_000n),
    Ports: state.phase === 'running' ? summarizePorts(record.sandbox?.ports ?? {}) : [],
    Labels: config.Labels,
    State: statusOf(state),
    Status: describeState(state, now.nowNs, record.health),
    Health: { Status: record.health?.status ?? 'none', FailingStreak: record.health?.failingStreak ?? 0 },
    HostConfig: {
      NetworkMode: hostConfig.NetworkMode,
      ...(hostConfig.Annotations === undefined ? {} : { Annotations: hostConfig.Annotations }),
    },
    NetworkSettings: { Networks: viewEndpoints(entry) },
    Mounts: viewMounts(ctx, entry),
  };
}

/** Docker quotes a word with blanks in the one-line command. */
const quoteWord = (word: string): string => (word.includes(' ') ? `'${word}'` : word);

/** The name that the container was made from, as long as it still means the same image. */
function imageShown({ imageName, imageId }: ContainerRecord, imageIdOf: (name: string) => string | undefined): string {
  const name = isHex64(imageName) ? `sha256:${imageName}` : imageName;
  return imageIdOf(name) === imageId ? name : imageId;
}

function summarizePorts(ports: PortMap): PortSummary[] {
  const summaries: PortSummary[] = [];
  for (const [spec, bindings] of Object.entries(ports)) {
    const at = spec.indexOf('/');
    const PrivatePort = Number(at < 0 ? spec : spec.slice(0, at));
    const Type = (at < 0 ? 'tcp' : spec.slice(at + 1)) as PortSummary['Type'];
    if (bindings === null || bindings.length === 0) summaries.push({ PrivatePort, Type });
    for (const { HostIp, HostPort, ...access } of bindings ?? []) {
      summaries.push({ IP: HostIp, PrivatePort, PublicPort: Number(HostPort), Type, ...access });
    }
  }
  return summaries;
}
