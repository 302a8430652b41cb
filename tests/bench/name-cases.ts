import { enterNetwork, pythonClient } from '../support/name-tools.ts';
import { must } from '../support/run.ts';
import { type Case, docker } from './cases.ts';
import type { Peer } from './engines.ts';

const [asking, asked, net] = ['bench-asking', 'bench-asked', 'bench-names'];

/** Milliseconds from the death of the other container's process to the first question that gets no address. */
async function untilGone(peer: Peer): Promise<number> {
  await docker(peer, 'start', asked);
  const took = await ask(peer, 0, 0, await docker(peer, 'inspect', '--format={{.State.Pid}}', asked));
  await docker(peer, 'wait', asked);
  return took;
}

async function ask(peer: Peer, count: number, rate: number, victim = '0'): Promise<number> {
  const pid = await docker(peer, 'inspect', '--format={{.State.Pid}}', asking);
  const [program, ...args] = enterNetwork(pid, [
    'python3',
    '-c',
    pythonClient,
    asked,
    String(count),
    String(rate),
    victim,
  ]);
  return Number(await must(program, args, { timeout: 60_000 }));
}

async function twoContainers(peer: Peer, image: string): Promise<void> {
  await docker(peer, 'network', 'create', net);
  for (const name of [asking, asked]) {
    await docker(peer, 'run', '-d', '--network', net, '--name', name, image, 'sleep', '100000');
  }
}

async function noContainers(peer: Peer): Promise<void> {
  await docker(peer, 'rm', '-f', asking, asked);
  await docker(peer, 'network', 'rm', net);
}

/** Of questions for a container's name: the client and the server are on the same machine. */
export const nameCases: readonly Case[] = [
  {
    name: 'a name, median of 2,000 one after the other',
    goal: 0.7,
    second: { name: 'names lost of 20,000 at 5,000 a second' },
    without: ['podman'],
    prepare: (peer, images) => twoContainers(peer, images.busybox),
    measure: async (peer) => [await ask(peer, 2000, 0), await ask(peer, 20_000, 5000)],
    finish: (peer) => noContainers(peer),
  },
  {
    name: 'a name that goes with its process',
    without: ['podman'],
    prepare: (peer, images) => twoContainers(peer, images.busybox),
    measure: untilGone,
    finish: (peer) => noContainers(peer),
  },
  {
    name: 'run --rm on a network of its own, true',
    goal: 0.35,
    without: ['podman'],
    prepare: async (peer) => void (await docker(peer, 'network', 'create', net)),
    measure: async (peer, images) => {
      const started = performance.now();
      await docker(peer, 'run', '--rm', '--network', net, images.busybox, 'true');
      return performance.now() - started;
    },
    finish: async (peer) => void (await docker(peer, 'network', 'rm', net)),
  },
];
