import { dirname } from 'node:path';
import { uniqueName } from '../support/engine.ts';
import { addNeighbour, type Neighbour } from '../support/neighbour.ts';
import { testImage } from '../support/images.ts';
import { must, run } from '../support/run.ts';
import { eventually } from '../support/wait.ts';
import { type BenchImages, type Case, docker, timeDocker } from './cases.ts';
import { type Peer, type PeerName, startPeer } from './engines.ts';

/**
 * What networks carry: from the host to a container, and from another machine and the host's loopback to published ports.
 * The programs inside are the host's own, mounted: iperf3, and a server of a few lines that answers each request alike.
 */

const programs = ['-v', '/usr:/usr:ro', '-v', '/usr/lib:/lib:ro', '-v', '/usr/lib64:/lib64:ro'];
const node = ['-v', `${dirname(process.execPath)}:/node:ro`];
const [bulkPort, requestPort] = [5201, 8000];

const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const server = `require('net').createServer((s) => s.setNoDelay().on('error', () => 0).on('data', (d) => {
  let n = 0; for (let at = -1; (at = d.indexOf('\\r\\n\\r\\n', at + 1)) >= 0; ) n++;
  s.write(${JSON.stringify(answer)}.repeat(n)); })).listen(${requestPort})`;

/** Asks `count` times over eight connections, each again when it was answered; prints the milliseconds. */
const client = (host: string, port: number, count: number): string => `
const net = require('net'); let asked = 0, answered = 0; const began = performance.now();
const ask = (s) => { if (asked++ < ${count}) s.write('GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); };
for (let i = 0; i < 8; i++) {
  let bytes = 0;
  const s = net.connect(${port}, '${host}', () => ask(s)).setNoDelay();
  s.on('data', (d) => { for (bytes += d.length; bytes >= ${answer.length}; bytes -= ${answer.length}) {
    if (++answered === ${count}) { process.stdout.write(String(performance.now() - began)); process.exit(0); } ask(s); } });
}`;

interface Scene {
  readonly neighbour: Neighbour;
  /** The container's own address. */
  readonly address: string;
}
const scenes = new Map<string, Scene>();
const standing = ['bench-bulk', 'bench-requests'];

async function prepare(peer: Peer, { busybox }: BenchImages): Promise<void> {
  const inside = (command: readonly string[]) => {
    const [program, ...args] = peer.namespaces.enter(command);
    return run(program, args);
  };
  const neighbour = await addNeighbour({ inside });
  const bulk = ['-p', `${bulkPort}:${bulkPort}`, ...programs, busybox, '/usr/bin/iperf3', '-s', '-p', String(bulkPort)];
  await docker(peer, 'run', '-d', '--name', 'bench-bulk', ...bulk);
  const requests = ['-p', `${requestPort}:${requestPort}`, ...programs, ...node, busybox, '/node/node', '-e', server];
  await docker(peer, 'run', '-d', '--name', 'bench-requests', ...requests);
  const address = await docker(peer, 'inspect', '--format', '{{.NetworkSettings.IPAddress}}', 'bench-bulk');
  scenes.set(peer.name, { neighbour, address: address.trim() });
  const asks = async (host: string) =>
    (await neighbour.run(process.execPath, '-e', client(host, requestPort, 8))).code === 0;
  await eventually('the server answers', () => asks(neighbour.hostAddress), { timeout: 20_000, every: 200 });
}

async function finish(peer: Peer): Promise<void> {
  await docker(peer, 'rm', '-f', ...standing);
  await scenes.get(peer.name)?.neighbour[Symbol.asyncDispose]();
  scenes.delete(peer.name);
}

const sceneOf = (peer: Peer): Scene => {
  const scene = scenes.get(peer.name);
  if (scene === undefined) throw new Error(`${peer.name} has no servers`);
  return scene;
};

/** What iperf3 took to send 1 GiB, in milliseconds by the receiver. */
async function send(
  enter: (command: readonly string[]) => readonly [string, ...string[]],
  host: string,
): Promise<number> {
  const [program, ...args] = enter(['iperf3', '-J', '-c', host, '-p', String(bulkPort), '-n', '1G']);
  const report = JSON.parse(await must(program, args, { timeout: 120_000 })) as {
    end: { sum_received: { seconds: number } };
  };
  return report.end.sum_received.seconds * 1000;
}

async function request(
  enter: (command: readonly string[]) => readonly [string, ...string[]],
  host: string,
): Promise<number> {
  const [program, ...args] = enter([process.execPath, '-e', client(host, requestPort, 30_000)]);
  return Number(await must(program, args, { timeout: 120_000 }));
}

const load = { containers: 200, ports: 500 };

/** Containers with published ports, eight made at once. */
async function crowd(peer: Peer, { busybox }: BenchImages): Promise<void> {
  const each = Math.ceil(load.ports / load.containers);
  const left = Array.from({ length: load.containers }, (_, at) => at);
  const worker = async (): Promise<void> => {
    for (let at = left.shift(); at !== undefined; at = left.shift()) {
      const first = 20_000 + at * each;
      const ports = ['-p', `${first}-${first + each - 1}:1-${each}`];
      await docker(peer, 'run', '-d', '--label=crowd', '--network=crowd', ...ports, busybox, 'sleep', '100000');
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

/** An engine of the same kind without a crowd, by engine: what the machine does meanwhile is the same for both. */
const empty = new Map<string, Peer>();
let turn = 0;

async function startEmpty(peer: Peer): Promise<Peer> {
  const other = await startPeer(peer.name as PeerName);
  empty.set(peer.name, other);
  await docker(other, 'load', '-q', '-i', (await testImage('busybox')).archive);
  await docker(other, 'network', 'create', 'crowd');
  return other;
}

/** A start of a container with a port, on the network `crowd`. */
async function startOne(peer: Peer, { busybox }: BenchImages): Promise<number> {
  const name = uniqueName('bench');
  const rest = ['--network=crowd', '-p', '19999:80', busybox, 'sleep', '100000'];
  const took = await timeDocker(peer, 'run', '-d', '--name', name, ...rest);
  await docker(peer, 'rm', '-f', name);
  return took;
}

const removeCrowd = async (peer: Peer): Promise<void> => {
  const ids = (await docker(peer, 'ps', '-aq', '--filter=label=crowd')).split('\n').filter((id) => id !== '');
  if (ids.length > 0) await docker(peer, 'rm', '-f', ...ids);
  await docker(peer, 'network', 'rm', 'crowd');
};

/** At least nine tenths of the throughput of the better one. */
const nearlyAsFast = 1 / 0.9;

export const networkCases: readonly Case[] = [
  {
    name: 'TCP from the host to a container, 1 GiB',
    goal: nearlyAsFast,
    prepare,
    measure: (peer) => send((command) => peer.namespaces.enter(command), sceneOf(peer).address),
    finish,
  },
  {
    name: 'TCP from another machine to a published port, 1 GiB',
    goal: nearlyAsFast,
    prepare,
    measure: (peer) => send((command) => sceneOf(peer).neighbour.enter(command), sceneOf(peer).neighbour.hostAddress),
    finish,
  },
  {
    name: '30,000 requests from another machine to a published port',
    goal: nearlyAsFast,
    prepare,
    measure: (peer) =>
      request((command) => sceneOf(peer).neighbour.enter(command), sceneOf(peer).neighbour.hostAddress),
    finish,
  },
  {
    name: '30,000 requests to a published port on 127.0.0.1',
    goal: 0.5,
    prepare,
    measure: (peer) => request((command) => peer.namespaces.enter(command), '127.0.0.1'),
    finish,
  },
  {
    name: 'run -d with a port, alone on its network',
    without: ['podman'],
    prepare: async (peer) => void (await docker(peer, 'network', 'create', 'crowd')),
    measure: startOne,
    finish: removeCrowd,
  },
  {
    name: `the same beside ${load.containers} containers with ${load.ports} ports`,
    without: ['podman'],
    second: { name: 'that, in per cent of a start on an engine without them', most: 130 },
    async prepare(peer, images) {
      await docker(peer, 'network', 'create', 'crowd');
      await crowd(peer, images);
      await startEmpty(peer);
    },
    async measure(peer, images) {
      const other = empty.get(peer.name) ?? (await startEmpty(peer));
      const times = new Map<Peer, number>();
      // In turn first: the second of two finds warmer caches.
      const pair = turn++ % 2 === 0 ? [other, peer] : [peer, other];
      for (const one of pair) times.set(one, await startOne(one, images));
      const [alone = Number.NaN, took = Number.NaN] = [other, peer].map((one) => times.get(one));
      return [took, (100 * took) / alone];
    },
    async finish(peer) {
      await removeCrowd(peer);
      await empty.get(peer.name)?.[Symbol.asyncDispose]();
      empty.delete(peer.name);
    },
  },
];
