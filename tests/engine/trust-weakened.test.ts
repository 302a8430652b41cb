/** Images that an engine without one guard of the trust policy takes, and the real one refuses. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isOracle, type TestEngine } from '../support/engine.ts';
import { type Registry, startRegistry } from '../support/registry.ts';
import { cosignSignature, makeSigner } from '../support/signatures.ts';
import { engineSuite } from '../support/suite.ts';
import { startWeakEngine } from '../support/weak-engine.ts';
import type { WeaknessName } from '../support/weaknesses.ts';
import { attachSignatures, pushGreeting, reloadPolicy } from './_signed-images.ts';

const folder = await mkdtemp(join(tmpdir(), 'gantry-trust-weakened-'));
after(() => rm(folder, { recursive: true }));
const policyFile = join(folder, 'policy.json');
const flags = [`--trust-policy=${policyFile}`];
const signer = makeSigner();
const keyData = Buffer.from(signer.publicKey).toString('base64');
const accept = [{ type: 'insecureAcceptAnything' }];
const writePolicy = (requirements: readonly object[]): Promise<void> => {
  const transports = { docker: { '127.0.0.1:5000': requirements } };
  return writeFile(policyFile, JSON.stringify({ default: accept, transports }));
};
const signed = [{ type: 'sigstoreSigned', keyData }];
await writePolicy(signed);

const repository = '127.0.0.1:5000/app';

/** What the user gets to see of `run app:one`, whose image the attacker has put there. */
type Attack = (engine: TestEngine, registry: Registry) => Promise<string>;

async function greeting(engine: TestEngine): Promise<string> {
  const { code, stdout, stderr } = await engine.docker(['run', '--rm', `${repository}:one`, 'cat', '/greeting']);
  return code === 0 ? stdout.trim() : stderr;
}

const byAnother: Attack = async (engine, registry) => {
  const digest = await pushGreeting(registry, 'evil', 'app', 'one');
  await attachSignatures(registry, 'app', digest, [cosignSignature(makeSigner(), digest, `${repository}:one`)]);
  return greeting(engine);
};

const ofAnother: Attack = async (engine, registry) => {
  const good = await pushGreeting(registry, 'good', 'app', 'good');
  const digest = await pushGreeting(registry, 'evil', 'app', 'one');
  await attachSignatures(registry, 'app', digest, [cosignSignature(signer, good, `${repository}:one`)]);
  return greeting(engine);
};

const rolledBack: Attack = async (engine, registry) => {
  const digest = await pushGreeting(registry, 'evil', 'app', 'one');
  await attachSignatures(registry, 'app', digest, [cosignSignature(signer, digest, `${repository}:zero`)]);
  return greeting(engine);
};

const storedBefore: Attack = async (engine, registry) => {
  await writePolicy(accept);
  await reloadPolicy(engine);
  await pushGreeting(registry, 'evil', 'app', 'one');
  await engine.dockerOk(['pull', `${repository}:one`]);
  await writePolicy(signed);
  await reloadPolicy(engine);
  return greeting(engine);
};

const attacks: readonly (readonly [string, WeaknessName, Attack])[] = [
  ['an image that somebody else has signed', 'signatures of anybody', byAnother],
  ['an image with the signature of another one', 'signatures of any image', ofAnother],
  ['an old image under a new tag', 'signatures for any name', rolledBack],
  ['an image from before there was a policy', 'used without a look at the policy', storedBefore],
];

engineSuite('attacks on the trust policy', { flags, skip: isOracle() && 'Docker has no policy' }, (engine) => {
  for (const [what, weakness, attack] of attacks) {
    test(`${what}: works with "${weakness}", fails on the engine`, async () => {
      {
        await using weak = await startWeakEngine(weakness, {}, flags);
        await using registry = await startRegistry(weak.namespaces);
        assert.equal(await attack(weak, registry), 'evil');
      }
      await using registry = await startRegistry(engine().namespaces);
      assert.match(await attack(engine(), registry), /app:one is refused by the trust policy/);
    });
  }
});
