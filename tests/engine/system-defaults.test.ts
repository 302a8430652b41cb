import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';

const image = 'gantry-test/busybox:1';

const flags = [
  '--default-ulimit=nofile=100:200',
  '--default-shm-size=8m',
  '--default-ipc-mode=shareable',
  '--init',
  '--no-new-privileges',
  '--bip=10.123.7.1/24',
  '--fixed-cidr=10.123.7.128/25',
  '--mtu=1400',
  '--dns=10.9.8.7',
  '--dns-search=example.test',
  '--dns-opt=ndots:3',
  '--host-gateway-ip=10.1.2.3',
  '--label=colour=green',
  '--live-restore',
  '--max-concurrent-downloads=5',
];

engineSuite('what the operator chose for containers', { images: ['busybox'], flags }, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  const sh = (script: string, ...more: string[]) => docker('run', '--rm', ...more, image, 'sh', '-c', script);

  test('limits, shared memory, init and privileges', async () => {
    assert.equal(await sh('ulimit -Sn; ulimit -Hn'), '100\n200');
    assert.equal(await sh('ulimit -n', '--ulimit=nofile=50:50'), '50');
    assert.equal(await sh('df -k /dev/shm | tail -1 | tr -s " " | cut -d" " -f2'), '8192');
    assert.equal(await sh('grep NoNewPrivs /proc/self/status | cut -f2'), '1');
    assert.notEqual(await sh('echo $$'), '1');
    assert.equal(await sh('echo $$', '--init=false'), '1');
    const id = await docker('create', image, 'true');
    const shown = await docker('inspect', '-f', '{{.HostConfig.IpcMode}} {{.HostConfig.ShmSize}}', id);
    assert.equal(shown, 'shareable 8388608');
  });

  test('addresses, MTU, resolver and the host gateway', async () => {
    const script =
      "ip -4 -o addr show eth0 | tr -s ' ' | cut -d' ' -f4; cat /sys/class/net/eth0/mtu; ip route | head -1";
    const [address = '', mtu, route = ''] = (await sh(script)).split('\n');
    assert.match(address, /^10\.123\.7\.(12[89]|1[3-9]\d|2\d\d)\/24$/);
    assert.equal(mtu, '1400');
    assert.match(route, /default via 10\.123\.7\.1 /);
    const resolver = await sh('cat /etc/resolv.conf');
    assert.match(resolver, /nameserver 10\.9\.8\.7/);
    assert.match(resolver, /search example\.test/);
    assert.match(resolver, /options ndots:3/);
    assert.match(await sh('cat /etc/hosts', '--add-host=up:host-gateway'), /10\.1\.2\.3\s+up/);
  });

  test('info shows what was chosen', async () => {
    assert.equal(await docker('info', '-f', '{{.Labels}} {{.LiveRestoreEnabled}}'), '[colour=green] true');
  });
});
