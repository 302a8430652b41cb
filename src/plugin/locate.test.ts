import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { findPlugins, locatePlugin } from './locate.ts';

async function serveNothing(t: TestContext, path: string): Promise<void> {
  const server = net.createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(() => new Promise((resolve) => server.close(resolve)));
}

test('plugins are found by socket, address and description', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'plugins-'));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, 'deep'));
  await serveNothing(t, join(folder, 'deep/deep.sock'));
  await serveNothing(t, join(folder, 'deep/other.sock'));
  await writeFile(join(folder, 'plain.spec'), 'tcp://127.0.0.1:8080\n');
  await writeFile(join(folder, 'local.spec'), 'unix:///run/other/x.sock');
  await writeFile(join(folder, 'tls.json'), '{"Name":"tls","Addr":"https://[::1]:9","TLSConfig":{"CAFile":"/ca.pem"}}');
  await writeFile(join(folder, 'file.sock'), '');
  await writeFile(join(folder, 'bad.spec'), 'nonsense');
  await writeFile(join(folder, 'worse.json'), '{"Addr":7}');
  const folders = { sockets: [folder], descriptions: [folder] };
  const find = (name: string) => locatePlugin(name, folders);
  assert.deepEqual(await find('deep'), { kind: 'unix', path: join(folder, 'deep/deep.sock') });
  assert.deepEqual(await find('plain'), { kind: 'tcp', host: '127.0.0.1', port: 8080 });
  assert.deepEqual(await find('local'), { kind: 'unix', path: '/run/other/x.sock' });
  const tls = { insecure: false, ca: '/ca.pem' };
  assert.deepEqual(await find('tls'), { kind: 'tcp', host: '::1', port: 9, tls });
  assert.deepEqual(await findPlugins(folders), ['bad', 'deep', 'local', 'plain', 'tls', 'worse']);
  await assert.rejects(find('file'), /plugin "file" not found/);
  await assert.rejects(find('bad'), /has no address/);
  await assert.rejects(find('worse'), /has no Addr/);
  await writeFile(join(folder, 'long.spec'), `tcp://${'x'.repeat(100_000)}`);
  await assert.rejects(find('long'), /too long/);
  for (const name of ['', '..', '../x', 'a/b', 'a\0']) await assert.rejects(find(name), /invalid plugin name/);
});
