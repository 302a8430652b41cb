import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { silentLogger } from '../../base/log.ts';
import { VolumeDrivers } from './drivers.ts';

type Reply = object | 'hangs';

/** A plugin on TCP, described by a file. */
async function tcpPlugin(t: TestContext, folder: string, name: string, answer: (method: string) => Reply) {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    const method = (request.url ?? '').slice(1);
    asked.push(method);
    const reply = answer(method);
    if (reply !== 'hangs') response.end(JSON.stringify(reply));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await writeFile(join(folder, `${name}.json`), JSON.stringify({ Name: name, Addr: `tcp://${address}` }));
  return asked;
}

async function fixture(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'drivers-'));
  t.after(() => rm(folder, { recursive: true }));
  const times = { long: 300, short: 300, probe: 100, pauses: [5, 5] };
  const drivers = new VolumeDrivers({
    folders: { sockets: [folder], descriptions: [folder] },
    log: silentLogger,
    times,
  });
  return { folder, drivers };
}

const implementing = (method: string, more: Record<string, Reply> = {}): Reply =>
  method === 'Plugin.Activate' ? { Implements: ['VolumeDriver'] } : (more[method] ?? {});

test('a plugin on TCP is greeted once and asked by its methods', async (t) => {
  const { folder, drivers } = await fixture(t);
  const asked = await tcpPlugin(t, folder, 'far', (method) =>
    implementing(method, {
      'VolumeDriver.Capabilities': { Capabilities: { Scope: 'Global' } },
      'VolumeDriver.Get': { Volume: { Name: 'v', Mountpoint: '/v' } },
      'VolumeDriver.List': { Volumes: [{ Name: 'v' }, { Name: 7 }, null] },
    }),
  );
  const plugin = await drivers.find('far');
  assert.equal(await drivers.find('far'), plugin);
  assert.equal(await plugin.scope(), 'global');
  assert.equal((await plugin.get('v'))?.mountpoint, '/v');
  assert.deepEqual(
    (await plugin.list()).map(({ name }) => name),
    ['v'],
  );
  assert.deepEqual(asked, ['Plugin.Activate', 'VolumeDriver.Capabilities', 'VolumeDriver.Get', 'VolumeDriver.List']);
});

test('one for something else is none, and is not asked again', async (t) => {
  const { folder, drivers } = await fixture(t);
  const asked = await tcpPlugin(t, folder, 'other', () => ({ Implements: ['NetworkDriver'] }));
  await assert.rejects(drivers.find('other'), {
    code: 'internal',
    message:
      'error looking up volume plugin other: Plugin does not implement the requested driver: plugin="other", requested implementation="VolumeDriver"',
  });
  assert.deepEqual(await drivers.all(), []);
  assert.deepEqual(asked, ['Plugin.Activate']);
  for (const name of ['nobody', '../x', '', 'a/b']) {
    await assert.rejects(drivers.find(name), {
      code: 'not-found',
      message: /^error looking up volume plugin .*not found$/,
    });
  }
});

test('one that hangs is given up after its time, rests when all are asked, and a close ends the wait', async (t) => {
  const { folder, drivers } = await fixture(t);
  const asked = await tcpPlugin(t, folder, 'slow', (method) => (method === 'Plugin.Activate' ? 'hangs' : {}));
  assert.deepEqual(await drivers.all(), []);
  assert.deepEqual(await drivers.all(), []);
  assert.deepEqual(asked, ['Plugin.Activate']);
  await assert.rejects(drivers.find('slow'), /Plugin.Activate: the plugin did not answer within 0.3 seconds/);
  const waiting = assert.rejects(drivers.find('slow'));
  drivers.close();
  await waiting;
});

test('one that starts late is waited for by who is patient', async (t) => {
  const { folder, drivers } = await fixture(t);
  await assert.rejects(drivers.find('late', 'patient', true), { code: 'not-found' });
  const folders = { sockets: [folder], descriptions: [folder] };
  const times = { long: 1000, short: 1000, probe: 100, pauses: Array.from({ length: 1000 }, () => 5) };
  const patient = new VolumeDrivers({ folders, log: silentLogger, times });
  const waiting = patient.find('late', 'patient', true);
  await tcpPlugin(t, folder, 'late', (method) => implementing(method));
  assert.equal((await waiting).name, 'late');
});
