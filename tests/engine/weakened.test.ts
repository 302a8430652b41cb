/**
 * Attacks that succeed on an engine without one of its guards, and fail on the real one. What they reach for is made by
 * the test, below its own temporary folder.
 */
import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { busyboxLayer, dockerArchive, layerOf } from '../support/crafted-image.ts';
import type { TestEngine } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import type { TarMember } from '../support/tar.ts';
import { eventually } from '../support/wait.ts';
import { attacksOn, none, secret } from './_attacks.ts';
import { busybox } from './_docker.ts';

/** Loads an image of busybox, without the names of `members`, and with `members` on it. */
async function load(engine: TestEngine, ...members: TarMember[]): Promise<void> {
  const hidden = members.map(({ name }) => ({ name: name.replace(/([^/]+)$/, '.wh.$1') }));
  const layers = [await busyboxLayer(), layerOf(...hidden), layerOf(...members)];
  await engine.dockerOk(['load'], { input: dockerArchive({ names: ['crafted:attack'], layers }) });
}

const link = (name: string, to: string): TarMember => ({ name, type: 'symlink', link: to });

engineSuite('attacks', { images: ['busybox', 'debian'], runtimes: ['crun'] }, (engine) => {
  const attack = attacksOn(engine);

  attack(
    'docker cp through a link to the host',
    'links lead out',
    async (one, canary) => {
      await one.dockerOk(['run', '-d', '--name=one', busybox, 'sh', '-c', `ln -s ${canary} /out; exec sleep 1000`]);
      await one.dockerOk(['exec', 'one', 'sh', '-c', 'until [ -L /out ]; do :; done']);
      return (await one.docker(['cp', 'one:/out/file', '-'])).stdout;
    },
    { weak: new RegExp(secret), real: none },
  );

  attack(
    'an account of the host by a link in the image',
    'links lead out',
    async (one, canary) => {
      await load(one, link('etc/passwd', join(canary, 'passwd')));
      return (await one.docker(['run', '--rm', '--user=ofthehost', 'crafted:attack', 'id', '-u'])).stdout;
    },
    { weak: /^4321$/m, real: none },
  );

  attack(
    'files of the host given away by a link in a volume',
    'owners through links',
    async (one, canary) => {
      await one.dockerOk(['run', '--rm', '-v', 'tree:/v', busybox, 'ln', '-s', canary, '/v/link']);
      await one.docker(['run', '--rm', '--user=4321', '-v', 'tree:/v:U', busybox, 'true']);
      const { uid } = await stat(join(canary, 'file'));
      return uid === 0 ? '' : String(uid);
    },
    { weak: /^4321$/, real: none },
  );

  attack(
    'a mount target behind a link to the host',
    'targets as asked for',
    async (one, canary) => {
      await load(one, link('target', canary));
      await one.docker(['run', '--rm', '-v', 'volume:/target/made', 'crafted:attack', 'true']);
      return (await readdir(canary)).filter((name) => name === 'made').join();
    },
    { weak: /^made$/, real: none },
  );

  attack(
    'a link at /dev',
    'links at /dev',
    async (one, canary) => {
      await load(one, link('dev', join(canary, 'dev')), { name: `${canary.slice(1)}/dev/` });
      await one.docker(['run', '--rm', 'crafted:attack', 'true']);
      // The runtime makes its nodes on the host.
      return (await readdir(join(canary, 'dev'))).join();
    },
    { weak: /\bstdin\b/, real: none },
  );

  attack(
    'a working directory in a descriptor of the runtime (CVE-2024-21626)',
    'any working directory',
    async (one) => {
      let shown = '';
      for (let fd = 20; fd < 28; fd++) {
        // The installed runc guards itself.
        const flags = ['--rm', '--runtime=crun', '--network=none', `--workdir=/proc/self/fd/${fd}`];
        shown += (await one.docker(['run', ...flags, busybox, 'cat', 'file'])).stdout;
      }
      return shown;
    },
    { weak: new RegExp(secret), real: none },
  );

  attack(
    'reading what /proc tells of the host',
    'nothing masked',
    async (one) => (await one.docker(['run', '--rm', busybox, 'cat', '/proc/interrupts'])).stdout,
    { weak: /CPU0/, real: none },
  );

  attack(
    'writing to /proc/sys',
    'nothing read-only',
    // Of the container's own UTS namespace.
    async (one) => {
      const script = 'echo attacked > /proc/sys/kernel/domainname; cat /proc/sys/kernel/domainname';
      return (await one.docker(['run', '--rm', busybox, 'sh', '-c', script])).stdout;
    },
    { weak: /^attacked$/m, real: /^\(none\)$/m },
  );

  attack(
    'shedding a group that may not read a file (CVE-2022-36109)',
    'primary group only',
    async (one) => {
      const image = await one.load('debian');
      const make = [
        `echo '${secret}' > /file; chown 0:1000 /file; chmod 604 /file`,
        'cp /bin/cat /bin/other; chown 0:2000 /bin/other; chmod 2755 /bin/other; touch /ready; exec sleep 1000',
      ];
      await one.dockerOk(['run', '-d', '--name=one', image, 'sh', '-c', make.join('; ')]);
      await one.dockerOk(['exec', 'one', 'sh', '-c', 'until [ -e /ready ]; do :; done']);
      return (await one.docker(['exec', '--user=1001:1000', 'one', '/bin/other', '/file'])).stdout;
    },
    { weak: new RegExp(secret), real: none },
  );

  attack(
    'what the engine has open, in the monitor of a container',
    'descriptors handed on',
    async (one, canary) => {
      await one.dockerOk(['run', '-d', '--name=one', busybox, 'sleep', '1000']);
      const pid = await one.dockerOk(['inspect', '--format={{.State.Pid}}', 'one']);
      const monitor = /^PPid:\s+(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '';
      const held: string[] = [];
      for (const holder of [monitor, pid]) {
        for (const fd of await readdir(`/proc/${holder}/fd`)) {
          const to = await readlink(`/proc/${holder}/fd/${fd}`);
          if (to.startsWith(canary)) held.push(holder === pid ? 'container' : 'monitor');
        }
      }
      return held.join();
    },
    { weak: /^monitor$/, real: none },
  );

  /** A server on one network, and what somebody on another one, made with `options`, gets from `host`. */
  async function acrossNetworks(
    one: TestEngine,
    options: readonly string[],
    host: (web: string, gateway: string) => string,
  ) {
    const server = ['sh', '-c', `echo '${secret}' > /index.html; exec httpd -f -h /`];
    await one.dockerOk(['network', 'create', 'served']);
    await one.dockerOk(['network', 'create', ...options, 'asking']);
    await one.dockerOk(['run', '-d', '--name=web', '--network=served', '-p', '8130:80', busybox, ...server]);
    const field = async (format: string, ...what: string[]) => one.dockerOk([...what, `--format=${format}`]);
    const web = (await field('{{.NetworkSettings.Networks.served.IPAddress}}', 'inspect', 'web')).trim();
    const gateway = (await field('{{(index .IPAM.Config 0).Gateway}}', 'network', 'inspect', 'asking')).trim();
    const ask = (from: string) => ['sh', '-c', `timeout 2 busybox wget -q -O - http://${from}/; exit $?`];
    await eventually('it serves', async () => (await one.inside(ask('127.0.0.1:8130'))).stdout.includes(secret));
    return (await one.docker(['run', '--rm', '--network=asking', busybox, ...ask(host(web, gateway))])).stdout;
  }

  attack(
    'a published port, out of an internal network',
    'internal by routes alone',
    (one) => acrossNetworks(one, ['--internal'], (_web, gateway) => `${gateway}:8130`),
    { weak: new RegExp(secret), real: none },
  );

  attack(
    'a container of another network by its own address',
    'networks see each other',
    (one) => acrossNetworks(one, [], (web) => web),
    { weak: new RegExp(secret), real: none },
  );
});
