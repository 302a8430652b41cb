/** Images go from one engine to another; what the other one has stays where it is. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { busyboxLayer, type CraftedLayer, layerOf, ociLayout, sha256 } from '../support/crafted-image.ts';
import { dockerdProgram, isOracle, startEngine, type TestEngine } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';

const skip = isOracle() && 'dockerd does not copy images';

engineSuite('image copy', { skip }, (engine) => {
  const [program, ...first] = gantryProgram;
  const gantry = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    run(program, [...first, ...args], { timeout: 60_000, env: { ...engine().clientEnv(), ...env } });
  async function copied(...args: string[]): Promise<string[]> {
    const { code, stdout, stderr } = await gantry(['image', 'copy', ...args]);
    assert.equal(code, 0, stderr);
    return [stdout.trim(), stderr.trim()];
  }
  const noise = layerOf({ name: 'noise', body: randomBytes(5 << 20) });
  const small = layerOf({ name: 'small', body: 'small' });
  const packed = ({ blob }: CraftedLayer): CraftedLayer => ({ blob: gzipSync(blob), diffId: sha256(blob) });
  const load = async (at: TestEngine, name: string, ...layers: CraftedLayer[]): Promise<void> => {
    const config = { Cmd: ['cat', '/small'] };
    await at.dockerOk(['load'], { input: ociLayout({ names: [name], layers, config }) });
  };
  const idAt = (at: TestEngine, name: string) => at.dockerOk(['image', 'inspect', '--format', '{{.Id}}', name]);

  test('over tcp: only what the other engine lacks is sent, and both have the same image', async () => {
    await using other = await startEngine({});
    const layers = [packed(await busyboxLayer()), packed(noise)];
    await load(other, 'crafted:base', ...layers);
    await load(engine(), 'crafted:one', ...layers, packed(small));
    await using proxy = await startProxy(other.paths.socket);
    const [out = '', err = ''] = await copied('crafted:one', `tcp://127.0.0.1:${proxy.port}`);
    assert.equal(out, 'Loaded image: crafted:one');
    assert.match(err, /^2 of 5 blobs are there: \S+kB of \S+MB to copy$/m);
    assert.ok(proxy.sent() < 100_000, `${proxy.sent()} bytes were sent`);
    assert.equal(await idAt(other, 'crafted:one'), await idAt(engine(), 'crafted:one'));
    assert.equal(await other.dockerOk(['run', '--rm', 'crafted:one']), 'small');
    const [, again = ''] = await copied('crafted:one', `tcp://127.0.0.1:${proxy.port}`);
    assert.match(again, /^5 of 5 blobs are there: 0B of /m);
    assert.deepEqual(await copied('-q', 'crafted:one', `unix://${other.paths.socket}`), [
      'Loaded image: crafted:one',
      '',
    ]);
  });

  test('to an engine that has nothing of it, and by a platform that is not there', async () => {
    await using other = await startEngine({});
    await load(engine(), 'crafted:one', packed(await busyboxLayer()), packed(small));
    await load(engine(), 'crafted:two', packed(await busyboxLayer()));
    const target = `unix://${other.paths.socket}`;
    const refused = await gantry(['image', 'copy', '--platform=linux/s390x', 'crafted:one', target]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /does not provide the specified platform \(linux\/s390x\)/);
    assert.equal(await other.dockerOk(['images', '-q']), '');
    const [out = ''] = await copied('crafted:one', 'crafted:two', target);
    assert.deepEqual(out.split('\n').toSorted(), ['Loaded image: crafted:one', 'Loaded image: crafted:two']);
    assert.equal(await other.dockerOk(['run', '--rm', 'crafted:one']), 'small');
    const absent = await gantry(['image', 'copy', 'crafted:none', target]);
    assert.deepEqual([absent.code, /No such image: crafted:none/.test(absent.stderr)], [1, true]);
  });

  test('what the other engine removes in the meantime is sent after all', async () => {
    await using other = await startEngine({});
    const layers = [packed(await busyboxLayer()), packed(noise)];
    await load(other, 'crafted:base', ...layers);
    await load(engine(), 'crafted:one', ...layers, packed(small));
    let asked = 0;
    await using source = await startProxy(engine().paths.socket, async (piece) => {
      if (!/^POST \/v[0-9.]+\/images\/get\?/.test(piece)) return;
      asked++;
      if (asked === 1) await other.dockerOk(['rmi', 'crafted:base']);
    });
    const words = ['-H', `tcp://127.0.0.1:${source.port}`, 'image', 'copy', 'crafted:one'];
    const { code, stdout, stderr } = await gantry([...words, `unix://${other.paths.socket}`]);
    assert.deepEqual([code, stdout, asked], [0, 'Loaded image: crafted:one\n', 2], stderr);
    assert.equal(await other.dockerOk(['run', '--rm', 'crafted:one']), 'small');
  });

  test('over ssh, which runs the command line of the other side; a connection that fails says why', async () => {
    await using other = await startEngine({});
    const folder = join(engine().folder, 'bin');
    await mkdir(folder);
    const write = async (name: string, ...lines: string[]): Promise<void> => {
      await writeFile(join(folder, name), ['#!/bin/sh', ...lines].join('\n'));
      await chmod(join(folder, name), 0o755);
    };
    try {
      await write(
        'ssh',
        `echo "$*" >> ${folder}/asked`,
        'while [ "$1" != -- ]; do shift; done',
        'shift 2',
        'eval "$*"',
      );
      await write('gantry', `exec ${[program, ...first].join(' ')} "$@"`);
      const env = { PATH: `${folder}:${process.env['PATH'] ?? ''}` };
      await load(engine(), 'crafted:one', packed(await busyboxLayer()), packed(small));
      const target = `ssh://me@far:2222${other.paths.socket}`;
      const { code, stdout, stderr } = await gantry(['image', 'copy', 'crafted:one', target], env);
      assert.deepEqual([code, stdout], [0, 'Loaded image: crafted:one\n'], stderr);
      assert.equal(await idAt(other, 'crafted:one'), await idAt(engine(), 'crafted:one'));
      assert.match(
        await readFile(join(folder, 'asked'), 'utf8'),
        /^-o ConnectTimeout=30 -T -l me -p 2222 -- far sh -c /m,
      );
      const shown = await gantry(['-H', target, 'image', 'ls', '--format', '{{.Repository}}:{{.Tag}}'], env);
      assert.deepEqual([shown.code, shown.stdout], [0, 'crafted:one\n'], shown.stderr);
      await write('ssh', 'echo "Permission denied (publickey)." >&2', 'exit 255');
      const failed = await gantry(['image', 'copy', 'crafted:one', target], env);
      assert.notEqual(failed.code, 0);
      assert.match(failed.stderr, /Permission denied \(publickey\)/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('to dockerd and from it: as save and load', async () => {
    await using other = await startEngine({ program: dockerdProgram(), isOther: true });
    await load(engine(), 'crafted:one', packed(await busyboxLayer()), packed(small));
    const target = `unix://${other.paths.socket}`;
    assert.equal((await copied('crafted:one', target))[0], 'Loaded image: crafted:one');
    assert.equal(await other.dockerOk(['run', '--rm', 'crafted:one']), 'small');
    await engine().dockerOk(['rmi', 'crafted:one']);
    const back = await gantry(['-H', target, 'image', 'copy', 'crafted:one', `unix://${engine().paths.socket}`]);
    assert.equal(back.code, 0, back.stderr);
    assert.equal(await engine().dockerOk(['run', '--rm', 'crafted:one']), 'small');
  });
});

/** Listens at a port and counts what it passes on to a socket; `before` is asked about each piece before it goes on. */
async function startProxy(
  socket: string,
  before: (piece: string) => Promise<unknown> = () => Promise.resolve(),
): Promise<AsyncDisposable & { readonly port: number; sent(): number }> {
  let bytes = 0;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const engine = connect({ path: socket, allowHalfOpen: true });
    client.on('error', () => engine.destroy());
    engine.on('error', () => client.destroy());
    const pass = async function* (): AsyncGenerator<Buffer> {
      for await (const chunk of client as AsyncIterable<Buffer>) {
        await before(chunk.toString('latin1'));
        bytes += chunk.length;
        yield chunk;
      }
    };
    Readable.from(pass(), { objectMode: false })
      .on('error', () => engine.destroy())
      .pipe(engine)
      .pipe(client);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sent: () => bytes,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}
