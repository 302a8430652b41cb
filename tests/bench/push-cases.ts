import { type ImageName, testImage } from '../support/images.ts';
import { startRegistry } from '../support/registry.ts';
import { must } from '../support/run.ts';
import { type Case, docker, timeDocker } from './cases.ts';
import type { Peer } from './engines.ts';

/** What is pushed, by engine: pulled before, so that its layers came compressed. */
const pulled = new Map<Peer, string>();

const nameOf = (peer: Peer): string => {
  const found = pulled.get(peer);
  if (found === undefined) throw new Error(`${peer.name} has not pulled`);
  return found;
};

/** Each push goes to a registry that has nothing, on the loopback interface of the engine's namespace. */
const pushCase = (name: string, image: ImageName): Case => ({
  name,
  goal: 1,
  second: { name: `${name}, once more`, goal: 1 },
  async prepare(peer) {
    await using registry = await startRegistry(peer.namespaces);
    const { reference } = await registry.push(await testImage(image), `bench/${image}`);
    await docker(peer, 'pull', '-q', reference);
    // Another repository of the same registry: what the engine knows about the first one is no help.
    const target = reference.replace('bench/', 'bench/pushed-');
    await docker(peer, 'tag', reference, target);
    pulled.set(peer, target);
  },
  async measure(peer) {
    await using _registry = await startRegistry(peer.namespaces);
    await must('sync', []);
    const first = await timeDocker(peer, 'push', '-q', nameOf(peer));
    const again = await timeDocker(peer, 'push', '-q', nameOf(peer));
    return [first, again];
  },
  async finish(peer) {
    const target = nameOf(peer);
    await docker(peer, 'rmi', target, target.replace('bench/pushed-', 'bench/'));
    pulled.delete(peer);
  },
});

export const pushCases: readonly Case[] = [
  pushCase('push of 30,000 files, 171 MB gzip', 'many'),
  pushCase('push of a small image', 'busybox'),
];
