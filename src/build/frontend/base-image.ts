import { codeOf, EngineError, messageOf } from '../../base/errors.ts';
import type { BaseImage, BuildContent, RegistryLogin } from '../../spec/contract/build.ts';
import { parseReference } from '../../spec/reference/reference.ts';
import type { StepOutput } from '../control/job.ts';
import { transferLines } from '../control/transfer-lines.ts';
import { exactReference, imageSource, type SourceLock } from '../lock/lock.ts';
import type { SolvePorts } from '../solve/ports.ts';

/** Who a build is to a registry; undefined for nobody. */
export type Logins = (host: string, signal: AbortSignal) => Promise<RegistryLogin | undefined>;

export interface WantedBase {
  readonly reference: string;
  readonly platform: string;
  /** `pull`: the registry is asked in any case. `local`, which buildx says else, is no more than a preference. */
  readonly mode: string;
  readonly logins: Logins;
  /** Says which one it is to be, and hears which one it was. */
  readonly lock: SourceLock;
  readonly output: StepOutput;
  readonly signal: AbortSignal;
}

/** An image that a build stands on: the engine's own, or pulled when it has none, or when the build wants a new one. */
export async function baseImage(ports: SolvePorts, content: BuildContent, wanted: WantedBase): Promise<BaseImage> {
  const { reference, platform, lock } = wanted;
  const source = imageSource(reference, platform);
  const locked = lock.find(source);
  const image =
    locked === undefined ? await anyImage(ports, content, wanted) : await exactImage(ports, content, wanted, locked);
  lock.note(source, image.id);
  return image;
}

/** The one with that digest, whatever its name means now: a registry is asked only when the engine has none. */
async function exactImage(
  ports: SolvePorts,
  content: BuildContent,
  wanted: WantedBase,
  digest: string,
): Promise<BaseImage> {
  const own = await content.base(digest, wanted.platform).catch((error: unknown) => {
    if (codeOf(error) === 'forbidden') throw notResolved(wanted.reference, error);
    return undefined;
  });
  if (own !== undefined) return own;
  return anyImage(ports, content, { ...wanted, reference: exactReference(wanted.reference, digest), mode: '' });
}

async function anyImage(ports: SolvePorts, content: BuildContent, wanted: WantedBase): Promise<BaseImage> {
  const { reference, platform, mode } = wanted;
  if (mode !== 'pull') {
    try {
      return await content.base(reference, platform);
    } catch (error) {
      if (codeOf(error) !== 'not-found') throw notResolved(reference, error);
    }
  }
  try {
    await pull(ports, wanted);
    return await content.base(reference, platform);
  } catch (error) {
    throw notResolved(reference, error);
  }
}

async function pull(ports: SolvePorts, { reference, platform, logins, output, signal }: WantedBase): Promise<void> {
  const host = parseReference(reference).domain;
  const auth = await logins(host, signal);
  const { progress, done } = transferLines(output);
  await ports.images.pull({ reference, platform, ...(auth === undefined ? {} : { auth }), progress, signal });
  done();
}

const notResolved = (reference: string, cause: unknown): EngineError =>
  new EngineError(codeOf(cause), `failed to resolve source metadata for ${reference}: ${messageOf(cause)}`, { cause });
