import { gzipSync } from 'node:zlib';
import { busyboxLayer, type CraftedImage, layerOf, ociBlobs, sha256 } from '../support/crafted-image.ts';
import type { TestEngine } from '../support/engine.ts';
import type { Registry } from '../support/registry.ts';
import { type MadeSignature, signatureArtifact } from '../support/signatures.ts';
import { eventually } from '../support/wait.ts';

/** An image of busybox with `text` at `/greeting`. */
export async function greetingImage(text: string): Promise<CraftedImage> {
  const layers = [(await busyboxLayer()).blob, layerOf({ name: 'greeting', body: text }).blob];
  return { layers: layers.map((blob) => ({ blob: gzipSync(blob, { level: 1 }), diffId: sha256(blob) })) };
}

/** Puts such an image into a registry; resolves with the digest of its manifest. */
export async function pushGreeting(registry: Registry, text: string, repository: string, tag: string): Promise<string> {
  const { manifest, blobs } = ociBlobs(await greetingImage(text));
  return registry.put(repository, tag, manifest, blobs.slice(0, -1));
}

/** Puts signatures of a digest there, in place of those that it had. */
export async function attachSignatures(
  registry: Registry,
  repository: string,
  digest: string,
  signatures: readonly MadeSignature[],
): Promise<void> {
  const { tag, manifest, blobs } = signatureArtifact(digest, signatures);
  await registry.put(repository, tag, manifest, blobs);
}

/** Lets the engine read its configuration and policy again, and waits until it has, whatever came of it. */
export async function reloadPolicy(engine: TestEngine): Promise<void> {
  const reloads = async () => (await engine.logText()).split(/reloaded the configuration|was not reloaded/).length;
  const before = await reloads();
  process.kill(engine.pid, 'SIGHUP');
  await eventually('the policy was read again', async () => (await reloads()) > before);
}
