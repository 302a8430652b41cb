import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './run.ts';

/** What an engine may leave behind in the kernel and on the disk: which instance is meant, and where to look. */
export interface LeakScope {
  /** Process that holds the instance's network and mount namespaces. */
  readonly holder: number;
  /** The engine's process, when it runs: its descriptors are counted. */
  readonly engine: number | undefined;
  /** Folders of the instance: what mentions them belongs to it. */
  readonly folders: readonly string[];
  /** Name of the cgroup that holds all cgroups of the instance. */
  readonly cgroupParent: string;
  /** Files that come and go without being leaks, by their path below a folder. */
  readonly ignoredFiles?: (path: string) => boolean;
}

/** Everything found, one line each, sorted: two lists of one instance can be compared line by line. */
export type LeakSnapshot = readonly string[];

/** Takes stock of mounts, links, firewall, cgroups, processes, namespaces, files and descriptors of one instance. */
export async function takeStock(scope: LeakScope): Promise<LeakSnapshot> {
  const parts = await Promise.all([
    mounts(scope),
    links(scope),
    firewall(scope),
    cgroups(scope),
    processes(scope),
    files(scope),
    descriptors(scope),
  ]);
  return parts.flat().sort();
}

/** What belongs to the engine as long as it runs: that it is gone means that another part of the engine broke it. */
const mustStay = ['mount ', 'link ', 'nft ', 'cgroup '];

/**
 * What `after` has more than `before`, then what of the engine's own it has less; empty when nothing leaked. Workers that
 * have ended take descriptors with them, removed images their files, and a new engine begins with an empty pool of links:
 * that is no leak.
 */
export function compareStock(before: LeakSnapshot, after: LeakSnapshot): readonly string[] {
  return [
    ...lacking(after, before).map((line) => `left behind: ${line}`),
    ...lacking(before, after)
      .filter((line) => mustStay.some((kind) => line.startsWith(kind)) && !line.endsWith('*'))
      .map((line) => `gone: ${line}`),
  ];
}

function lacking(from: LeakSnapshot, other: LeakSnapshot): readonly string[] {
  const counts = new Map<string, number>();
  for (const line of other) counts.set(line, (counts.get(line) ?? 0) + 1);
  return from.filter((line) => {
    const count = counts.get(line) ?? 0;
    counts.set(line, count - 1);
    return count <= 0;
  });
}

/**
 * Mounts inside the instance's namespace, and those of the host that lie in its folders. What the host mounts comes into
 * the namespace, too: that is somebody else's.
 */
async function mounts(scope: LeakScope): Promise<readonly string[]> {
  const [inside, host] = await Promise.all([mountTable(scope.holder), mountTable('self')]);
  const own = host.filter((line) => scope.folders.some((folder) => line.includes(folder)));
  const elsewhere = new Set(host);
  const made = inside.filter((line) => !elsewhere.has(line));
  return [...made.map((line) => `mount ${line}`), ...own.map((line) => `mount on the host ${line}`)];
}

async function mountTable(pid: number | 'self'): Promise<readonly string[]> {
  const text = await readFile(`/proc/${pid}/mountinfo`, 'utf8');
  return text.split('\n').flatMap((line) => {
    const [mounted, source] = line.split(' - ');
    const point = mounted?.split(' ')[4];
    return point === undefined ? [] : [`${point} (${source?.split(' ')[0] ?? '?'})`];
  });
}

/** Host ends of cables: `g`, the instance's first six digits, then seven that are new for each. */
const chosenAtRandom = /^(g[0-9a-f]{6})[0-9a-f]{7}$/;

async function links(scope: LeakScope): Promise<readonly string[]> {
  const text = await readFile(`/proc/${scope.holder}/net/dev`, 'utf8');
  return text.split('\n').flatMap((line) => {
    const name = line.includes('|') ? undefined : line.split(':')[0]?.trim();
    return name === undefined || name === '' ? [] : [`link ${name.replace(chosenAtRandom, '$1*')}`];
  });
}

/** The rules of the instance's network namespace, without counters and handles, which change by themselves. */
async function firewall(scope: LeakScope): Promise<readonly string[]> {
  const nft = ['nsenter', `--target=${scope.holder}`, '--net', 'nft', '--stateless', 'list', 'ruleset'] as const;
  const { code, stdout, stderr } = await run(nft[0], nft.slice(1));
  if (code !== 0) throw new Error(`nft list ruleset: ${stderr}`);
  let table = '';
  const lines: string[] = [];
  for (const line of stdout.split('\n').map((text) => text.trim())) {
    if (line.startsWith('table ')) table = line.replace(' {', '');
    if (line !== '' && line !== '}') lines.push(`nft ${table}: ${line}`);
  }
  return lines;
}

async function cgroups(scope: LeakScope): Promise<readonly string[]> {
  const found: string[] = [];
  const search = async (folder: string, depth: number): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      if (!entry.isDirectory()) continue;
      const path = join(folder, entry.name);
      if (path.includes(scope.cgroupParent)) found.push(`cgroup ${path}`);
      if (depth < 6) await search(path, depth + 1);
    }
  };
  await search('/sys/fs/cgroup', 0);
  return found;
}

interface ProcessFacts {
  readonly pid: number;
  readonly command: string;
  readonly network: string;
}

/** Processes of the instance, without the engine itself, and the network namespaces that they hold open. */
async function processes(scope: LeakScope): Promise<readonly string[]> {
  const own: ProcessFacts[] = [];
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid || pid === scope.holder) continue;
    const facts = await processFacts(pid).catch(() => undefined);
    if (facts === undefined) continue;
    const groups = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '');
    const isOwn = groups.includes(scope.cgroupParent) || scope.folders.some((folder) => facts.command.includes(folder));
    if (isOwn && pid !== scope.engine) own.push(facts);
  }
  const engineNamespaces = scope.engine === undefined ? [] : await heldNamespaces(scope.engine);
  const namespaces = new Set([...own.map(({ network }) => network), ...engineNamespaces]);
  return [
    ...own.map(({ command }) => `process ${command}`),
    ...Array.from(namespaces, () => 'network namespace of the instance'),
  ];
}

async function processFacts(pid: number): Promise<ProcessFacts> {
  const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').trim();
  return { pid, command, network: await readlink(`/proc/${pid}/ns/net`) };
}

async function heldNamespaces(pid: number): Promise<readonly string[]> {
  const targets = await descriptorTargets(pid);
  return targets.filter((target) => target.startsWith('net:['));
}

async function descriptorTargets(pid: number): Promise<readonly string[]> {
  const folder = `/proc/${pid}/fd`;
  const targets: string[] = [];
  for (const name of await readdir(folder)) {
    const target = await readlink(join(folder, name)).catch(() => undefined);
    if (target !== undefined) targets.push(target);
  }
  return targets;
}

/**
 * The engine's descriptors by kind: `socket:[123]` and `socket:[456]` are the same. The copies of runtimes come with the
 * first use of each and stay.
 */
async function descriptors(scope: LeakScope): Promise<readonly string[]> {
  if (scope.engine === undefined) return [];
  const targets = (await descriptorTargets(scope.engine)).filter((target) => !target.startsWith('/memfd:runtime'));
  return targets.map((target) => `descriptor ${target.replace(/\[\d+\]/, '').replace(/^\/proc\/\d+/, '/proc/N')}`);
}

async function files(scope: LeakScope): Promise<readonly string[]> {
  const found: string[] = [];
  // In the mounts of the instance, where its folders may be file systems of their own.
  const seen = `/proc/${scope.holder}/root`;
  const search = async (root: string, below: string): Promise<void> => {
    for (const entry of await readdir(join(seen, root, below), { withFileTypes: true }).catch(() => [])) {
      const path = join(below, entry.name);
      if (scope.ignoredFiles?.(path) === true) continue;
      const full = join(root, path);
      found.push(`file ${full}`);
      // Another file system (a container's root) is not the instance's own files.
      if (entry.isDirectory() && !(await isMountPoint(join(seen, root), join(seen, full)))) await search(root, path);
    }
  };
  for (const folder of scope.folders) await search(folder, '');
  return found;
}

async function isMountPoint(root: string, path: string): Promise<boolean> {
  const [a, b] = await Promise.all([root, path].map((one) => stat(one).catch(() => undefined)));
  // What was removed meanwhile has nothing below it either.
  return a?.dev !== b?.dev;
}
