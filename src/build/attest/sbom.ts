import { readTar } from '../../archive/tar/read.ts';
import { plainEntry } from '../../archive/tar/entry.ts';
import { writeTar } from '../../archive/tar/write.ts';
import { internal, invalid } from '../../base/errors.ts';
import { type ByteStream, readAll } from '../../base/stream.ts';
import type { BuildContent, BuiltLayer, Predicate } from '../../spec/contract/build.ts';
import { objectOf, parseJsonObject, requiredString } from '../../spec/oci/json.ts';
import { formatPlatform } from '../../spec/oci/platform.ts';
import type { BuildJob } from '../control/job.ts';
import { baseImage, type Logins } from '../frontend/base-image.ts';
import type { SourceLock } from '../lock/lock.ts';
import { clippedLog } from '../solve/log.ts';
import { stubLayer } from '../solve/stubs.ts';
import type { SolvePorts } from '../solve/ports.ts';
import type { SbomWish } from './wishes.ts';

export interface SbomRequest {
  readonly ports: SolvePorts;
  readonly job: BuildJob;
  readonly content: BuildContent;
  readonly logins: Logins;
  readonly lock: SourceLock;
  readonly wish: SbomWish;
  /** Of the result, lowest first. */
  readonly layers: readonly BuiltLayer[];
  /** The platform of the result, where there are several. */
  readonly about: string | undefined;
}

const source = '/run/src/core/sbom';
const destination = '/run/out';
/** Bytes of one statement, and how many of them a generator may give. */
const largestStatement = 64 << 20;
const mostStatements = 100;

/**
 * Has an image list what the result consists of (BuildKit, sbom-protocol.md: it finds the files at
 * `BUILDKIT_SCAN_SOURCE`, and leaves in-toto statements at `BUILDKIT_SCAN_DESTINATION`). It runs in the sandbox of steps.
 */
export async function sbom(request: SbomRequest): Promise<readonly Predicate[]> {
  const { ports, job, content, logins, lock, wish, layers, about } = request;
  const reference = wish.generator;
  const platform = formatPlatform(ports.platform);
  const image = await job.step({ name: `[internal] load metadata for ${reference}` }, (output) =>
    baseImage(ports, content, { reference, platform, mode: '', logins, lock, output, signal: job.signal }),
  );
  const { Entrypoint = [], Cmd = [], Env = [], WorkingDir = '/', User = '' } = image.config.config;
  const args = [...Entrypoint, ...Cmd];
  if (args.length === 0) throw invalid(`the image ${reference} cannot list anything: it has no command`);
  const places = await content.storeLayer(writeTar(folders()), job.signal);
  const stub = await stubLayer(content, job.signal);
  if (places === undefined) throw internal('the layer of folders is empty');
  const parameters = [...wish.parameters].map(([name, value]) => `BUILDKIT_SCAN_${name}=${value}`);
  const found: Predicate[] = [];
  await job.step(
    { name: `${about === undefined ? '' : `[${about}] `}generating sbom using ${reference}` },
    async (output) => {
      const { code } = await ports.steps.run(
        {
          layers: [stub, ...image.layers, places].map(({ diffId }) => diffId),
          args,
          env: [...Env, ...parameters, `BUILDKIT_SCAN_SOURCE=${source}`, `BUILDKIT_SCAN_DESTINATION=${destination}/`],
          cwd: WorkingDir || '/',
          user: User,
          mounts: [
            {
              kind: 'layers',
              layers: (layers.length === 0 ? [stub] : layers).map(({ diffId }) => diffId),
              subpath: '',
              target: source,
              writable: false,
            },
            { kind: 'tmpfs', target: '/tmp', options: [] },
          ],
          hostConfig: {},
          output: clippedLog((stream, bytes) => output.log(stream, bytes)),
          signal: job.signal,
        },
        async (archive) => {
          for await (const predicate of statementsIn(archive, reference)) found.push(predicate);
        },
      );
      if (code !== 0) throw internal(`the SBOM generator ${reference} failed: exit code: ${code}`);
    },
  );
  return found;
}

async function* folders() {
  for (const name of ['run/', 'run/out/']) yield { entry: plainEntry('directory', name, { size: 0, mode: 0o755 }) };
}

async function* statementsIn(archive: ByteStream, generator: string): AsyncGenerator<Predicate> {
  const prefix = `${destination.slice(1)}/`;
  let count = 0;
  for await (const { entry, body } of readTar(archive)) {
    const name = entry.name.replace(/^\.?\/+/, '');
    if (entry.type !== 'file' || !name.startsWith(prefix)) continue;
    if (++count > mostStatements) throw invalid(`${generator} gave more than ${mostStatements} statements`);
    const chunks = async function* copied() {
      for await (const chunk of body) yield Buffer.from(chunk);
    };
    const json = parseJsonObject(await readAll(chunks(), largestStatement, `statement ${name}`), `statement ${name}`);
    yield {
      type: requiredString(json['predicateType'], 'predicateType'),
      predicate: objectOf(json['predicate'], 'predicate'),
      file: name.slice(prefix.length).replaceAll('/', '_'),
    };
  }
}
