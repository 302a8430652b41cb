import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { testImage } from '../support/images.ts';
import { type Registry, startRegistry } from '../support/registry.ts';
import { must } from '../support/run.ts';
import { cpuTime } from './cpu.ts';
import { type Case, docker, timeDocker } from './cases.ts';
import type { Peer } from './engines.ts';

/** Each engine's own registry, on the loopback interface of its namespace. */
const registries = new Map<Peer, { registry: Registry; reference: string }>();

const referenceFor = (peer: Peer): string => {
  const found = registries.get(peer);
  if (found === undefined) throw new Error(`${peer.name} has no registry`);
  return found.reference;
};

/** A pull by the API itself, without the time that a client takes. */
async function timePull(peer: Peer, reference: string): Promise<number> {
  const colon = reference.lastIndexOf(':');
  const query = new URLSearchParams({ fromImage: reference.slice(0, colon), tag: reference.slice(colon + 1) });
  const started = performance.now();
  const call = request({ socketPath: peer.socket, method: 'POST', path: `/v1.44/images/create?${query.toString()}` });
  call.end();
  const [answer] = (await once(call, 'response')) as [IncomingMessage];
  const said = Buffer.concat((await answer.toArray()) as Buffer[]).toString();
  const took = performance.now() - started;
  if (!said.includes('Image is up to date')) throw new Error(`${peer.name}: pull of ${reference}: ${said.slice(-500)}`);
  return took;
}

/** Images that come from registries, and go out as archives. */
export const imageCases: readonly Case[] = [
  {
    name: 'pull of 30,000 files until a container can start',
    goal: 0.45,
    second: { name: 'pull of what is there', goal: 1 },
    async prepare(peer) {
      const registry = await startRegistry(peer.namespaces);
      const { reference } = await registry.push(await testImage('many'), 'bench/many');
      registries.set(peer, { registry, reference });
    },
    async measure(peer) {
      const reference = referenceFor(peer);
      await must('sync', []);
      const started = performance.now();
      await timeDocker(peer, 'pull', '-q', reference);
      await docker(peer, 'create', '--name', 'bench-pulled', reference, 'true');
      const took = performance.now() - started;
      const again = await timeDocker(peer, 'pull', '-q', reference);
      await docker(peer, 'rm', 'bench-pulled');
      await docker(peer, 'rmi', reference);
      return [took, again];
    },
    async finish(peer) {
      await registries.get(peer)?.registry[Symbol.asyncDispose]();
      registries.delete(peer);
    },
  },
  {
    name: 'pull of what is there, by the API (ours: 50 ms at most)',
    // It says otherwise that nothing is new.
    without: ['podman'],
    async prepare(peer) {
      const registry = await startRegistry(peer.namespaces);
      const { reference } = await registry.push(await testImage('many'), 'bench/many');
      registries.set(peer, { registry, reference });
      await docker(peer, 'pull', '-q', reference);
    },
    measure: (peer) => timePull(peer, referenceFor(peer)),
    async finish(peer) {
      await docker(peer, 'rmi', referenceFor(peer));
      await registries.get(peer)?.registry[Symbol.asyncDispose]();
      registries.delete(peer);
    },
  },
  {
    name: 'save, 30,000 files, 171 MB gzip',
    goal: 1,
    without: ['podman'],
    async prepare(peer, images) {
      await docker(peer, 'load', '-q', '-i', images.manyFiles.archive);
    },
    async measure(peer, images) {
      const target = join(peer.folder, 'saved.tar');
      await must('sync', []);
      const took = await timeDocker(peer, 'save', '-o', target, images.manyFiles.name);
      await rm(target);
      return took;
    },
    finish: async (peer) => void (await docker(peer, 'rmi', (await testImage('many')).name)),
  },
  {
    name: 'rmi of 30,000 files',
    goal: 1,
    second: { name: 'processor time of the engine for it', goal: 0.1 },
    async measure(peer, images) {
      await docker(peer, 'load', '-q', '-i', images.manyFiles.archive);
      await must('sync', []);
      const before = await cpuTime(peer);
      const took = await timeDocker(peer, 'rmi', images.manyFiles.name);
      // What goes on after the answer counts as well.
      await setTimeout(500);
      return [took, (await cpuTime(peer)) - before];
    },
  },
];
