import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type EngineConfig, loadConfig } from '../config.ts';
import { parseListenAddress } from './listeners.ts';
import { settings } from './table.ts';

const folder = await mkdtemp(join(tmpdir(), 'gantry-settings-'));
after(() => rm(folder, { recursive: true }));

async function load(flags: readonly string[], file: unknown = {}): Promise<EngineConfig> {
  const path = join(folder, 'daemon.json');
  await writeFile(path, typeof file === 'string' ? file : JSON.stringify(file));
  return loadConfig(['--config-file', path, '--data-root', folder, ...flags]);
}

const fails = (flags: readonly string[], expected: RegExp, file: unknown = {}) =>
  assert.rejects(load(flags, file), expected);

describe('the table of settings', () => {
  it('has each flag and each key once', () => {
    const flags = settings.map(({ flag }) => flag);
    const keys = settings.flatMap(({ key, oldKey }) => [key, oldKey]).filter((key) => key !== undefined);
    assert.equal(new Set(flags).size, flags.length);
    assert.equal(new Set(keys).size, keys.length);
  });
});

describe('values of settings', () => {
  it('are the same from flags and file', async () => {
    const flags = ['--default-ulimit=nofile=64:128', '--default-shm-size=1g', '--mtu=1400', '--label=a=b'];
    const file = {
      'default-ulimits': { nofile: { Name: 'nofile', Soft: 64, Hard: 128 } },
      'default-shm-size': '1g',
      mtu: 1400,
      labels: ['a=b'],
    };
    for (const config of [await load(flags), await load([], file)]) {
      assert.deepEqual(config.containers.ulimits, [{ Name: 'nofile', Soft: 64, Hard: 128 }]);
      assert.equal(config.containers.shmSize, 2 ** 30);
      assert.equal(config.network.mtu, 1400);
      assert.deepEqual(config.labels, ['a=b']);
    }
  });

  it('take pools, runtimes and proxies as daemon.json has them', async () => {
    const config = await load(['--add-runtime=other=/bin/other'], {
      'default-address-pools': [{ base: '10.9.0.0/16', size: 24 }],
      proxies: { 'http-proxy': 'http://a:b@proxy:1', 'no-proxy': 'x' },
      features: { cdi: true },
    });
    assert.deepEqual(config.network.addressPools, [{ base: '10.9.0.0/16', size: 24 }]);
    assert.deepEqual(config.runtimes.get('other'), { path: '/bin/other', runtimeArgs: [] });
    assert.equal(config.proxies.http, 'http://a:b@proxy:1');
    assert.deepEqual(config.features, { cdi: true });
  });

  it('read a file with a byte order mark, and an empty one', async () => {
    assert.equal((await load([], '\u{FEFF}{"debug": true}')).logLevel, 'debug');
    assert.equal((await load([], ' \n')).logLevel, 'info');
  });

  it('say what they do not do here', async () => {
    const { notes } = await load(['--iptables=false', '--containerd=/x', '--userland-proxy=true', '--live-restore']);
    assert.deepEqual(
      notes.map((note) => note.split(' ')[0]),
      ['--containerd', '--iptables'],
    );
  });

  it('refuse what is wrong, naming it', async () => {
    await fails(['--mtu=-1'], /invalid --mtu/);
    await fails(['--mtu=many'], /invalid argument "many" for --mtu: expected a whole number/);
    await fails(['--debug=maybe'], /invalid argument "maybe" for --debug/);
    await fails(['--log-level=loud'], /invalid logging level: loud/);
    await fails(['--log-format=xml'], /invalid --log-format: "xml"/);
    await fails(['--default-ipc-mode=host'], /invalid --default-ipc-mode/);
    await fails(['--default-ulimit=nofile=5:1'], /soft limit must be less/);
    await fails(['--default-ulimit=files=5'], /invalid ulimit type: files/);
    await fails(['--default-address-pool=base=10.0.0.0/16,size=8'], /invalid pool size/);
    await fails(['--add-runtime=runc=/x'], /runtime name 'runc' is reserved/);
    await fails(['--label=a=b', '--label=a=c'], /conflict labels for a=c and a=b/);
    await fails(['--registry-mirror=ftp://x'], /invalid mirror: unsupported scheme "ftp"/);
    await fails(['--exec-opt=isolation=x'], /unknown option: 'isolation'/);
    await fails(['--dns=nowhere'], /invalid --dns: nowhere/);
    for (const at of ['nowhere', '127.0.0.1:0', '127.0.0.1:99999', '::1:x', '[127.0.0.1]:53']) {
      await fails([`--names-listen=${at}`], /invalid --names-listen: .*: expected an IP address, or one with a port/);
    }
    await fails(['--metrics-addr=9323'], /invalid --metrics-addr/);
    await fails(['--bridge=br7'], /--bridge is refused/);
    await fails(['--rootless'], /--rootless is refused: this engine needs root/);
    await fails(['--cgroup-parent=/a/../b'], /invalid --cgroup-parent/);
    await fails(['--node-generic-resource=apple'], /could not parse GenericResource/);
    await fails([], /"mtu" must be a whole number, not "1"/, { mtu: '1' });
    await fails([], /"hosts" must be a list of strings, not "unix/, { hosts: 'unix:///x' });
    await fails([], /"default-ulimits": invalid ulimit type: x/, { 'default-ulimits': { x: { Soft: 1, Hard: 1 } } });
    await fails([], /invalid JSON/, '{');
    await fails([], /must not both be specified/, { 'host-gateway-ip': '1.1.1.1', 'host-gateway-ips': ['1.1.1.1'] });
    await fails(['--http-proxy=http://a:secret@b'], /http-proxy$/, { 'http-proxy': 'http://a:secret@b' });
    await fails([], /minimum supported API version is 1\.24: 1\.12/, { 'min-api-version': '1.12' });
  });
});

describe('addresses of the API', () => {
  it('are served over TCP only with TLS or a frank flag', async () => {
    await fails(['-H', 'tcp://127.0.0.1:2375'], /refusing to serve tcp:\/\/127\.0\.0\.1:2375 without TLS/);
    const config = await load(['-H', 'tcp://127.0.0.1:2375', '--insecure-tcp']);
    assert.deepEqual(config.listen, [{ kind: 'tcp', host: '127.0.0.1', port: 2375 }]);
    await fails(
      ['--tlsverify', '--tlscacert=/no', '--tlscert=/no', '--tlskey=/no'],
      /cannot use TLS: \/no cannot be read/,
    );
    await fails(['--tlsverify', '--tls=false'], /cannot be combined/);
  });

  it('are read as dockerd reads them', () => {
    const parse = (text: string) => parseListenAddress(text, '/default.sock', false);
    assert.deepEqual(parse('unix://'), { kind: 'unix', path: '/default.sock' });
    assert.deepEqual(parse('tcp://'), { kind: 'tcp', host: '127.0.0.1', port: 2375 });
    assert.deepEqual(parse('tcp://[::1]:99'), { kind: 'tcp', host: '::1', port: 99 });
    assert.deepEqual(parse('0.0.0.0:99'), { kind: 'tcp', host: '0.0.0.0', port: 99 });
    assert.deepEqual(parse('fd://'), { kind: 'activated', name: undefined });
    assert.deepEqual(parse('fd://api'), { kind: 'activated', name: 'api' });
    for (const bad of ['udp://x', 'tcp://x:y', 'tcp://a/b', 'tcp://u@h:1', 'tcp://[x]:1', 'tcp://x:99999']) {
      assert.throws(() => parse(bad), /unsupported address|invalid bind address/, bad);
    }
  });

  it('have Docker’s defaults under the name dockerd', async () => {
    const config = await loadConfig(['--data-root', folder, '--config-file', '/dev/null'], 'dockerd');
    assert.deepEqual(config.listen, [{ kind: 'unix', path: '/var/run/docker.sock' }]);
  });
});
