import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { join } from 'node:path';
import type { TestEngine } from './engine.ts';

/** Gives the engine an /etc of its own, in which descriptions of plugins can be written, and makes known where they are. */
export async function describePlugins(engine: TestEngine, plugins: Readonly<Record<string, string>>): Promise<void> {
  const [upper, work] = [join(engine.folder, 'etc'), join(engine.folder, 'etc-work')];
  await mkdir(join(upper, 'docker/plugins'), { recursive: true });
  await mkdir(work);
  for (const [name, socket] of Object.entries(plugins)) {
    await writeFile(join(upper, `docker/plugins/${name}.spec`), `unix://${socket}`);
  }
  const options = `lowerdir=/etc,upperdir=${upper},workdir=${work}`;
  const { code, stderr } = await engine.inside(['mount', '-t', 'overlay', 'overlay', '-o', options, '/etc']);
  assert.equal(code, 0, stderr);
}

/** What a plugin of volumes was asked. */
export interface PluginCall {
  readonly method: string;
  readonly name: string;
  readonly id: string;
  readonly options: Readonly<Record<string, string>>;
}

/** What happens instead of the answer: a status and a body, a connection that ends, or nothing for ever. */
export type Misbehaviour = readonly [status: number, body: string | Buffer] | 'closes' | 'hangs';

interface PluginVolume {
  readonly options: Readonly<Record<string, string>>;
  readonly mounted: Set<string>;
}

/** A plugin of the tests' own that keeps volumes as folders below one folder, and notes what it is asked. */
export class VolumePlugin implements AsyncDisposable {
  readonly folder: string;
  readonly socket: string;
  readonly volumes = new Map<string, PluginVolume>();
  readonly calls: PluginCall[] = [];
  scope = 'local';
  /** Asked before each answer. */
  misbehaves: (call: PluginCall) => Misbehaviour | undefined = () => undefined;
  #server: http.Server | undefined;

  /** `folder` must be there; the socket is put into it. */
  constructor(folder: string, name: string) {
    this.folder = folder;
    this.socket = join(folder, `${name}.sock`);
  }

  async listen(): Promise<void> {
    await rm(this.socket, { force: true });
    const server = http.createServer((request, response) => {
      void request.toArray().then(async (chunks: Buffer[]) => this.#serve(request, response, Buffer.concat(chunks)));
    });
    await new Promise<void>((resolve) => server.listen(this.socket, resolve));
    // A suite that ends does not wait for it.
    server.unref();
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.closeAllConnections();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Where a volume's files are. */
  dataOf(name: string): string {
    return join(this.folder, 'data', name);
  }

  /** How often a method was asked for a volume. */
  count(method: string, name: string): number {
    return this.calls.filter((call) => call.method === method && call.name === name).length;
  }

  /** Ids of `Mount` that no `Unmount` followed. */
  mountsOf(name: string): string[] {
    return [...(this.volumes.get(name)?.mounted ?? [])];
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse, body: Buffer): Promise<void> {
    const method = (request.url ?? '').replace(/^\/(VolumeDriver\.)?/, '');
    const asked = (body.length === 0 ? {} : JSON.parse(body.toString())) as {
      Name?: string;
      ID?: string;
      Opts?: Readonly<Record<string, string>>;
    };
    const call = { method, name: asked.Name ?? '', id: asked.ID ?? '', options: asked.Opts ?? {} };
    this.calls.push(call);
    const wrong = this.misbehaves(call);
    if (wrong === 'hangs') return;
    if (wrong === 'closes') return void request.socket.destroy();
    if (wrong !== undefined) return void response.writeHead(wrong[0]).end(wrong[1]);
    response.end(JSON.stringify(await this.#answer(call)));
  }

  async #answer({ method, name, id, options }: PluginCall): Promise<object> {
    const volume = this.volumes.get(name);
    const none = { Err: `no volume ${name} here` };
    const view = (called: string) => ({
      Name: called,
      Mountpoint: this.dataOf(called),
      CreatedAt: '2024-01-02T03:04:05Z',
      Status: { copies: 3, options: this.volumes.get(called)?.options },
    });
    switch (method) {
      case 'Plugin.Activate':
        return { Implements: ['VolumeDriver'] };
      case 'Capabilities':
        return { Capabilities: { Scope: this.scope } };
      case 'Create':
        await mkdir(this.dataOf(name), { recursive: true });
        if (volume === undefined) this.volumes.set(name, { options, mounted: new Set() });
        return { Err: '' };
      case 'List':
        return { Volumes: [...this.volumes.keys()].map((called) => view(called)), Err: '' };
      case 'Get':
        return volume === undefined ? none : { Volume: view(name), Err: '' };
      case 'Path':
        return volume === undefined ? none : { Mountpoint: this.dataOf(name), Err: '' };
      case 'Mount':
        if (volume === undefined) return none;
        volume.mounted.add(id);
        return { Mountpoint: this.dataOf(name), Err: '' };
      case 'Unmount':
        if (volume?.mounted.delete(id) !== true) return { Err: `${name} is not mounted for ${id}` };
        return { Err: '' };
      case 'Remove':
        if (volume === undefined) return none;
        this.volumes.delete(name);
        await rm(this.dataOf(name), { recursive: true });
        return { Err: '' };
      default:
        return { Err: `no method ${method}` };
    }
  }
}
