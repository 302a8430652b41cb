/**
 * `node tests/bench/main.ts [--pairs=N] [--peers=dockerd,podman,gantry-dir] [--only=TEXT] [--without=TEXT] [--json=FILE]
 *  [--write]`
 *
 * Measures Gantry beside other engines with the same docker client and the same images, in turn, each engine in a
 * network and a mount namespace of its own. Prints a table; `--json` keeps every single value, `--write` puts the
 * table into docs/benchmarks.md. Needs root.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { repository } from '../support/docker-client.ts';
import { manyFilesGzip, testImage } from '../support/images.ts';
import { must } from '../support/run.ts';
import { type BenchImages, type Case, cases, clientCases, clients, docker, loadImage, timeClient } from './cases.ts';
import { buildCases } from './build-cases.ts';
import { type Peer, type PeerName, startPeer } from './engines.ts';
import { fileCases } from './file-cases.ts';
import { imageCases } from './image-cases.ts';
import { nameCases } from './name-cases.ts';
import { networkCases } from './network-cases.ts';
import { pushCases } from './push-cases.ts';
import { volumeCases } from './volume-cases.ts';
import { measureMemory } from './memory.ts';
import { type BenchResult, currentLoad, hostFacts, renderReport } from './report.ts';

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '10' },
    peers: { type: 'string', default: 'dockerd,podman' },
    only: { type: 'string', default: '' },
    without: { type: 'string' },
    json: { type: 'string', default: join(repository, 'build/bench.json') },
    write: { type: 'boolean', default: false },
  },
});
const pairs = Number(values.pairs);
const note = (text: string): void => console.error(`bench: ${text}`);

type Row = BenchResult['cases'][string];

function addRow(result: BenchResult, { name, goal, most }: Pick<Case, 'name' | 'goal' | 'most'>): Row {
  const goals = { ...(goal === undefined ? {} : { goal }), ...(most === undefined ? {} : { most }) };
  const row: Row = { times: {}, refused: {}, ...goals };
  result.cases[name] = row;
  return row;
}

async function measureCase(one: Case, peers: readonly Peer[], images: BenchImages, result: BenchResult): Promise<void> {
  const row = addRow(result, one);
  const second = one.second === undefined ? undefined : addRow(result, one.second);
  const taking = peers.filter((peer) => one.without?.includes(peer.name) !== true);
  for (const peer of peers) {
    if (!taking.includes(peer)) for (const each of [row, second]) if (each) each.refused[peer.name] = 'takes no part';
  }
  for (const peer of taking) await one.prepare?.(peer, images);
  // The first round fills caches and is thrown away; afterwards the order turns with every round.
  for (let round = -1; round < pairs; round++) {
    for (let at = 0; at < taking.length; at++) {
      const peer = taking[(at + round + 1) % taking.length];
      if (peer === undefined || row.refused[peer.name] !== undefined) continue;
      try {
        const [took = 0, more = 0] = [await one.measure(peer, images)].flat();
        if (round < 0) continue;
        (row.times[peer.name] ??= []).push(took);
        if (second !== undefined) (second.times[peer.name] ??= []).push(more);
      } catch (error) {
        row.refused[peer.name] = String(error);
        note(`${one.name}: ${String(error)}`);
      }
    }
  }
  for (const peer of taking) await one.finish?.(peer);
}

async function measureClients(peer: Peer, images: BenchImages, result: BenchResult): Promise<void> {
  const times = 10;
  for (const { name, args } of clientCases) {
    const row: BenchResult['clients'][string] = {};
    result.clients[name] = row;
    for (let round = -1; round < pairs; round++) {
      for (const [client, program] of Object.entries(clients)) {
        const { wall, cpu } = await timeClient(peer, program, args(images.busybox), times);
        if (round < 0) continue;
        const list = (row[client] ??= { wall: [], cpu: [] });
        list.wall.push(wall);
        list.cpu.push(cpu);
      }
    }
  }
}

async function readEventLoop(peer: Peer): Promise<number | undefined> {
  const text = await must('curl', ['-sf', '--unix-socket', peer.socket, 'http://localhost/info']);
  const info = JSON.parse(text) as { Gantry?: { EventLoop?: { MaxDelayMs?: number } } };
  return info.Gantry?.EventLoop?.MaxDelayMs;
}

async function prepareImages(peers: readonly Peer[]): Promise<BenchImages> {
  const busybox = await testImage('busybox');
  const many = await manyFilesGzip();
  for (const peer of peers) {
    await mkdir(join(peer.folder, 'client'));
    await writeFile(join(peer.folder, 'client/config.json'), '{}');
    await loadImage(peer, busybox);
  }
  return { busybox: busybox.name, manyFiles: { archive: many.archive, name: many.name } };
}

async function versionsOf(peers: readonly Peer[]): Promise<Record<string, string>> {
  const versions: Record<string, string> = {};
  for (const peer of peers) versions[peer.name] = await docker(peer, 'version', '--format', '{{.Server.Version}}');
  const [first] = peers;
  if (first !== undefined)
    versions['docker client'] = await docker(first, 'version', '--format', '{{.Client.Version}}');
  return versions;
}

/** Keeps everything measured so far, after each case: a run that is broken off is not lost. */
async function save(result: BenchResult, gantry: Peer): Promise<void> {
  const loop = await readEventLoop(gantry).catch(() => undefined);
  if (loop !== undefined) result.eventLoopMs = loop;
  result.load[1] = currentLoad();
  await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
  if (values.write) await writeReport(renderReport(result));
}

/** Puts the tables between the two marks of docs/benchmarks.md. */
async function writeReport(report: string): Promise<void> {
  const file = join(repository, 'docs/benchmarks.md');
  const text = await readFile(file, 'utf8');
  const [begin, end] = ['<!-- results -->', '<!-- end of results -->'];
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${file} lacks the marks of the results`);
  await writeFile(file, `${text.slice(0, from + begin.length)}\n\n${report}\n\n${text.slice(to)}`);
}

async function main(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void stack.disposeAsync().finally(() => process.exit(130)));
  }
  const names = ['gantry', ...values.peers.split(',').filter((name) => name !== '')] as PeerName[];
  const peers: Peer[] = [];
  for (const name of names) peers.push(stack.use(await startPeer(name)));
  const [gantry] = peers;
  if (gantry === undefined) throw new Error('no engine');
  const images = await prepareImages(peers);
  const result: BenchResult = {
    date: new Date().toISOString(),
    host: hostFacts(),
    load: [currentLoad(), 0],
    versions: await versionsOf(peers),
    pairs,
    cases: {},
    clients: {},
    memory: {},
  };
  const wanted = (name: string): boolean =>
    name.includes(values.only) && (values.without === undefined || !name.includes(values.without));
  for (const peer of peers) {
    if (!wanted('memory')) break;
    note(`memory of ${peer.name}`);
    await measureMemory(peer, images).then(
      (use) => (result.memory[peer.name] = use),
      (error: unknown) => note(`memory of ${peer.name}: ${String(error)}`),
    );
  }
  if (wanted('clients')) {
    note('clients');
    await measureClients(gantry, images, result);
  }
  const all = [
    ...cases,
    ...fileCases,
    ...imageCases,
    ...networkCases,
    ...nameCases,
    ...pushCases,
    ...volumeCases,
    ...buildCases,
  ];
  for (const one of all.filter(({ name }) => wanted(name))) {
    note(one.name);
    await measureCase(one, peers, images, result);
    await save(result, gantry);
  }
  await save(result, gantry);
  console.log(renderReport(result));
}

await main();
