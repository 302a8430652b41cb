import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { TestImage } from './images.ts';
import { imageConfig } from './image-archive.ts';
import type { Namespaces } from './namespaces.ts';
import { ended, run } from './run.ts';
import { eventually } from './wait.ts';

/** Debian's docker-registry on the loopback interface of a network namespace. */
export interface Registry extends AsyncDisposable {
  /** `127.0.0.1:5000`: the first part of references. */
  readonly host: string;
  /** Puts an image there; resolves with its reference and the digest of its manifest. */
  push(image: TestImage, repository: string): Promise<{ reference: string; digest: string }>;
  /** Puts blobs and a manifest or index, byte for byte; resolves with its digest. */
  put(repository: string, tag: string, manifest: Buffer, blobs: readonly Buffer[], type?: string): Promise<string>;
}

const port = 5000;
const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';
const configType = 'application/vnd.oci.image.config.v1+json';

export interface RegistryOptions {
  /** A folder that keeps what is pushed when the registry ends; made when it is not there. */
  readonly data?: string;
  /** TLS for clients with certificates of the CA, by the files of `makeCertificates` in this folder; on all addresses. */
  readonly tls?: string;
  /** Only tokens are taken: of the issuer `test`, for the service `test`, signed by the certificate in that file. */
  readonly tokens?: { readonly realm: string; readonly certificate: string };
}

/** With `htpasswd` (lines of `user:bcrypt`) only its users are served. */
export async function startRegistry(
  namespaces: Namespaces,
  htpasswd?: string,
  options: RegistryOptions = {},
): Promise<Registry> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-registry-'));
  const config = join(folder, 'config.yml');
  const users = htpasswd === undefined ? undefined : join(folder, 'htpasswd');
  if (users !== undefined) await writeFile(users, `${htpasswd}\n`);
  await writeFile(config, registryConfig(folder, users, options));
  const [program, ...args] = namespaces.enter(['docker-registry', 'serve', config]);
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const end = ended(child);
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await end;
    await rm(folder, { recursive: true, force: true });
  };
  const host = `127.0.0.1:${port}`;
  const request = requester(namespaces, `http://${host}`, folder);
  const ready = users === undefined && options.tokens === undefined ? 200 : 401;
  const answers = async (): Promise<boolean> =>
    options.tls === undefined
      ? (await request('GET', '/v2/')).status === ready
      : (await overTls(namespaces, options.tls, `https://${host}/v2/`)) === ready;
  await eventually('docker-registry answers', answers).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return {
    host,
    push: (image, repository) => pushImage(request, host, image, repository),
    async put(repository, tag, manifest, blobs, type = manifestType) {
      for (const blob of blobs) await pushBlob(request, repository, blob, 'application/octet-stream');
      const answer = await request('PUT', `/v2/${repository}/manifests/${tag}`, manifest, type);
      if (answer.status !== 201) throw new Error(`put of ${repository}:${tag}: ${answer.status} ${answer.body}`);
      return digest(manifest);
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** The status of a GET with the client's certificate. */
async function overTls(namespaces: Namespaces, folder: string, url: string): Promise<number> {
  const at = (name: string): string => join(folder, name);
  const files = ['--cacert', at('ca.pem'), '--cert', at('client.pem'), '--key', at('client-key.pem')];
  const words = ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', ...files, url];
  const [program, ...args] = namespaces.enter(words);
  return Number((await run(program, args)).stdout);
}

const registryConfig = (folder: string, users: string | undefined, { data, tls, tokens }: RegistryOptions): string =>
  JSON.stringify({
    version: 0.1,
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: data ?? join(folder, 'data') }, delete: { enabled: true } },
    ...(users === undefined ? {} : { auth: { htpasswd: { realm: 'test', path: users } } }),
    ...(tokens === undefined
      ? {}
      : {
          auth: { token: { realm: tokens.realm, service: 'test', issuer: 'test', rootcertbundle: tokens.certificate } },
        }),
    http:
      tls === undefined
        ? { addr: `127.0.0.1:${port}` }
        : {
            addr: `:${port}`,
            tls: {
              certificate: join(tls, 'server.pem'),
              key: join(tls, 'server-key.pem'),
              clientcas: [join(tls, 'ca.pem')],
            },
          },
  });

interface Answer {
  readonly status: number;
  readonly location: string;
  readonly body: string;
}
type Request = (method: string, path: string, body?: Uint8Array, type?: string) => Promise<Answer>;

/** The request is made by a small Node program inside the namespace: this process is outside. */
const requestProgram = `
const [url, method, file, type] = process.argv.slice(1);
const body = file === '' ? undefined : require('node:fs').readFileSync(file);
const headers = type === '' ? {} : { 'content-type': type };
const answer = await fetch(url, { method, body, headers, redirect: 'manual' });
const location = answer.headers.get('location') ?? '';
console.log(JSON.stringify({ status: answer.status, location, body: await answer.text() }));
`;

function requester(namespaces: Namespaces, origin: string, folder: string): Request {
  let requests = 0;
  return async (method, path, body, type) => {
    const file = body === undefined ? '' : join(folder, `request-body-${requests++}`);
    if (body !== undefined) await writeFile(file, body);
    const url = path.startsWith('http') ? path : origin + path;
    const script = `(async () => {${requestProgram}})()`;
    const [program, ...args] = namespaces.enter([process.execPath, '-e', script, url, method, file, type ?? '']);
    const { stdout, stderr } = await run(program, args);
    if (stdout === '') throw new Error(`${method} ${url}: ${stderr}`);
    return JSON.parse(stdout) as Answer;
  };
}

async function pushImage(
  request: Request,
  host: string,
  image: TestImage,
  repository: string,
): Promise<{ reference: string; digest: string }> {
  const config = Buffer.from(await imageConfig(image.recipe));
  const layers: Descriptor[] = [];
  for (const layer of image.recipe.layers) {
    layers.push(await pushBlob(request, repository, gzipSync(await readFile(layer), { level: 1 }), layerType));
  }
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: await pushBlob(request, repository, config, configType),
      layers,
    }),
  );
  const tag = image.name.split(':')[1] ?? 'latest';
  const answer = await request('PUT', `/v2/${repository}/manifests/${tag}`, manifest, manifestType);
  if (answer.status !== 201) throw new Error(`push of ${repository}: ${answer.status} ${answer.body}`);
  return { reference: `${host}/${repository}:${tag}`, digest: digest(manifest) };
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const digest = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

async function pushBlob(request: Request, repository: string, bytes: Buffer, mediaType: string): Promise<Descriptor> {
  const start = await request('POST', `/v2/${repository}/blobs/uploads/`);
  const url = new URL(start.location);
  url.searchParams.set('digest', digest(bytes));
  const answer = await request('PUT', url.href, bytes, 'application/octet-stream');
  if (answer.status !== 201) throw new Error(`push of a blob to ${repository}: ${answer.status} ${answer.body}`);
  return { mediaType, digest: digest(bytes), size: bytes.length };
}
