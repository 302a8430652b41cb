import { humanSize } from '../../base/text/units.ts';
import { decodeJsonStream } from '../../client/stream.ts';
import { EngineClient } from '../../client/client.ts';
import { ApiError } from '../../client/errors.ts';
import type { ImageContentView, MissingContentView } from '../../spec/engine/image-content.ts';
import { atLeast, defineCommand } from '../command.ts';
import { resolveTarget } from '../config.ts';
import { flag, listOf, types } from '../flags/types.ts';
import { progressWriter, type WireProgress } from '../progress.ts';
import { displayOn, quietDisplay } from '../progress-output.ts';
import type { Session } from '../session.ts';
import { isGantry } from './require-gantry.ts';
import { needsVersion } from './needs-version.ts';
import { platformJson } from './platform.ts';

export const copyImages = defineCommand({
  usage: '[OPTIONS] IMAGE [IMAGE...] ENGINE',
  summary: 'Copy images to another engine, without the layers that it has',
  flags: {
    platform: flag(listOf(), 'Only these platforms: os[/arch[/variant]]'),
    quiet: flag(types.bool, 'Show no progress', { short: 'q' }),
  },
  args: atLeast(2),
  async run({ session, flags, args }) {
    const target = clientOf(session, args.at(-1) ?? '');
    try {
      if (flags.platform.length > 0) await needsVersion(session, 'platform', '1.48');
      const images = { names: args.slice(0, -1), platform: flags.platform.map(platformJson) };
      const show = progressWriter(flags.quiet ? quietDisplay : displayOn(session, 2));
      const work = { session, source: session.client, target, images, show };
      const [here, there] = await Promise.all([isGantry(session.client), isGantry(target)]);
      if (here && there) await copyMissing(work, flags.quiet);
      else await transfer(work, await session.client.request('GET', '/images/get', { query: queryOf(images) }), 0);
      return 0;
    } finally {
      target.close();
    }
  },
});

/** `ENGINE` is an address as in DOCKER_HOST, else the name of a docker context. */
function clientOf({ globals, env, config }: Session, engine: string): EngineClient {
  const chosen = engine.includes('://') ? { hosts: [engine], context: '' } : { hosts: [], context: engine };
  const { endpoint } = resolveTarget({ ...globals, ...chosen }, env, config);
  return new EngineClient({ endpoint, headers: config.HttpHeaders ?? {} });
}

interface Images {
  readonly names: readonly string[];
  readonly platform: readonly string[];
}

interface Work {
  readonly session: Session;
  readonly source: EngineClient;
  readonly target: EngineClient;
  readonly images: Images;
  readonly show: (message: WireProgress) => void;
}

const queryOf = ({ names, platform }: Images) => ({
  names,
  platform: platform.length === 0 ? undefined : platform,
});

/** What the other engine has may be removed there in the meantime: then it is asked once more. */
async function copyMissing(work: Work, quiet: boolean): Promise<void> {
  try {
    await copyOnce(work, quiet);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404 || !error.message.includes('the archive is incomplete')) {
      throw error;
    }
    await copyOnce(work, quiet);
  }
}

async function copyOnce(work: Work, quiet: boolean): Promise<void> {
  const { session, source, target, images } = work;
  const query = queryOf(images);
  const { Blobs } = await source.json<ImageContentView>('GET', '/images/content', { query });
  const { Missing } = await target.json<MissingContentView>('POST', '/images/missing', { body: { Blobs } });
  const missing = new Set(Missing);
  const without = Blobs.filter(({ Digest }) => !missing.has(Digest));
  const total = sumOf(Blobs);
  const left = total - sumOf(without);
  if (!quiet) {
    session.err(
      `${without.length} of ${Blobs.length} blobs are there: ${humanSize(left)} of ${humanSize(total)} to copy\n`,
    );
  }
  const body = { Without: without.map(({ Digest }) => Digest) };
  await transfer(work, await source.request('POST', '/images/get', { query, body }), left);
}

const sumOf = (blobs: ImageContentView['Blobs']): number => blobs.reduce((sum, { Size }) => sum + Size, 0);

/** Gives an archive to the other engine as it comes. `total` is about its size, or 0. */
async function transfer(
  { session, target, images, show }: Work,
  { body }: { readonly body: AsyncIterable<Uint8Array> },
  total: number,
): Promise<void> {
  const id = images.names.length === 1 ? (images.names[0] ?? '') : `${images.names.length} images`;
  const archive = counted(body, (current) =>
    show({
      id,
      status: 'Copying',
      progressDetail: { current, ...(total > 0 ? { total: Math.max(total, current) } : {}) },
    }),
  );
  const response = await target.request('POST', '/images/load', { query: { quiet: 1 }, body: archive });
  show({ id, status: 'Copied' });
  const say = progressWriter({ ...displayOn(session, 1), isTerminal: false });
  for await (const message of decodeJsonStream<WireProgress>(response.body)) say(message);
}

const tellEveryMs = 100;

async function* counted(
  body: AsyncIterable<Uint8Array>,
  tell: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0;
  let toldAt = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (performance.now() - toldAt > tellEveryMs) {
      tell(bytes);
      toldAt = performance.now();
    }
    yield chunk;
  }
  tell(bytes);
}
