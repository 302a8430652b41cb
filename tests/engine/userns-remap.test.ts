import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { repository } from '../support/docker-client.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { folder, lines } from './_build-folder.ts';

const image = 'gantry-test/busybox:1';

/** The engine sees a /etc/subuid of its own, and its folder lets others pass, as /run does. */
const program = [
  'sh',
  '-c',
  `for word; do case $word in --exec-root=*) folder=$(dirname "\${word#--exec-root=}");; esac; done
chmod 711 "$folder"
echo daemon:300000:65536 > "$folder/subids"
mount --bind "$folder/subids" /etc/subuid && mount --bind "$folder/subids" /etc/subgid
exec ${join(repository, 'build/bin/gantryd')} "$@"`,
  'sh',
];

/** Docker's way: one mapping for all containers of the engine. */
engineSuite('userns-remap', { images: ['busybox'], flags: ['--userns-remap=daemon'], program }, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  const map = ['sh', '-c', "awk '{print $1, $2, $3}' /proc/self/uid_map"];

  // With --network=host no network namespaces are made ready, which would look left behind.
  test('containers that say nothing are in the namespace, and the engine says so', async () => {
    assert.equal(await docker('run', '--rm', image, ...map), '0 300000 65536');
    assert.equal(await docker('run', '--rm', '--userns=host', '--network=host', image, ...map), '0 0 4294967295');
    assert.match(await docker('info', '-f', '{{json .SecurityOptions}}'), /"name=userns"/);
    const id = await docker('run', '-d', image, 'sleep', '1000');
    const pid = await docker('inspect', '-f', '{{.State.Pid}}', id);
    assert.match(await readFile(`/proc/${pid}/status`, 'utf8'), /Uid:\s+300000\s/);
    assert.equal(await docker('inspect', '-f', '{{.HostConfig.UsernsMode}}', id), '');
  });

  test('volumes are the container root’s, binds are not shifted', async () => {
    await docker('volume', 'create', 'named');
    const mounts = ['-v', 'named:/named', '-v', '/anonymous', '-v', '/etc:/bound:ro'];
    const look = ['stat', '-c', '%u', '/named', '/anonymous', '/bound', '/dev/shm', '/etc/hostname'];
    const shown = await docker('run', '--rm', ...mounts, image, ...look);
    assert.deepEqual(shown.split('\n'), ['0', '0', '65534', '0', '0']);
  });

  test('the host’s namespaces need the host’s users', async () => {
    for (const [flags, message] of [
      [['--privileged'], /privileged mode is incompatible with user namespaces/],
      [['--network=host'], /cannot share the host's network namespace when user namespaces are enabled/],
      [['--pid=host'], /cannot share the host PID namespace when user namespaces are enabled/],
    ] as const) {
      const { code, stderr } = await engine().docker(['run', '--rm', ...flags, image, 'true']);
      assert.equal(code, 125);
      assert.match(stderr, message);
      assert.equal(
        await docker(
          'run',
          '--rm',
          '--userns=host',
          '--network=host',
          ...flags.filter((flag) => flag !== '--network=host'),
          image,
          'echo',
          'fine',
        ),
        'fine',
      );
    }
  });

  test('builds run in it, and layers have the ids inside', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM ${image} AS seed`,
        'RUN mkdir /seed && echo kept > /seed/a && touch /seed/b && chown 7:8 /seed/b && chmod 701 /seed',
        `FROM ${image}`,
        'RUN --mount=type=cache,target=/c,id=seeded,from=seed,source=/seed cat /c/a > /seeded && stat -c "%a %u %g" /c /c/b >> /seeded && touch /c/new',
        "RUN awk '{print $1, $2, $3}' /proc/self/uid_map > /map && touch /root-file && touch /own && chown 1000:1000 /own",
        'COPY --chown=7:8 f /copied',
        'RUN --mount=type=bind,target=/ctx,rw echo more >> /ctx/f && chown 9 /ctx/f && stat -c "%u %s" /ctx/f > /bound',
        'USER 1000',
        'RUN --mount=type=secret,id=s,uid=1000 --mount=type=cache,target=/c,uid=1000,mode=0750 cat /run/secrets/s > /tmp/s && touch /c/x && stat -c "%u %a" /c > /tmp/c',
      ),
      f: 'f',
      secret: 'known',
    });
    const [program, ...first] = gantryProgram;
    const args = [...first, 'build', '-t', 'remapped:1', '--secret', `id=s,src=${join(context, 'secret')}`, context];
    await must(program, args, { env: engine().clientEnv() });
    const script = 'cat /seeded /map /bound /tmp/s; echo; cat /tmp/c; stat -c "%n %u %g" /root-file /own /copied';
    assert.equal(
      await docker('run', '--rm', 'remapped:1', 'sh', '-c', script),
      'kept\n701 0 0\n644 7 8\n0 300000 65536\n9 6\nknown\n1000 750\n/root-file 0 0\n/own 1000 1000\n/copied 7 8',
    );
  });
});

/** A copy of /etc takes its place for the engine, before it runs or not at all: the host's accounts stay as they are. */
const withPrivateEtc = [
  'sh',
  '-c',
  `set -e
for word; do case $word in --exec-root=*) folder=$(dirname "\${word#--exec-root=}");; esac; done
chmod 711 "$folder"
if [ ! -d "$folder/etc" ]; then
  mkdir -m 755 "$folder/etc"
  cp -a /etc/. "$folder/etc"
  for file in passwd shadow group gshadow subuid subgid; do
    if [ -f "$folder/etc/$file" ]; then sed -i '/^dockremap:/d' "$folder/etc/$file"; fi
  done
  echo someone:100000:131072 > "$folder/etc/subuid"
  echo someone:100000:65536 > "$folder/etc/subgid"
fi
[ /etc -ef "$folder/etc" ] || mount --bind "$folder/etc" /etc
exec ${join(repository, 'build/bin/gantryd')} "$@"`,
  'sh',
];

const accountFiles = ['passwd', 'group', 'subuid', 'subgid'].map((name) => `/etc/${name}`);
const hostAccounts = () => Promise.all(accountFiles.map((path) => readFile(path, 'utf8').catch(() => '')));
const accountsBefore = await hostAccounts();

engineSuite(
  'userns-remap=default',
  { images: ['busybox'], flags: ['--userns-remap=default'], program: withPrivateEtc },
  (engine) => {
    const lines = async (file: string): Promise<string[]> => {
      const { stdout } = await engine().inside(['cat', `/etc/${file}`]);
      return stdout.split('\n').filter((line) => line.startsWith('dockremap:'));
    };
    const shown = () => engine().dockerOk(['run', '--rm', image, 'awk', '{print $1, $2, $3}', '/proc/self/uid_map']);

    test('makes the user, with ids that nobody has, once', async () => {
      assert.equal(await shown(), '0 231072 65536');
      const [user, ...more] = await lines('passwd');
      assert.match(user ?? '', /^dockremap:x:\d{1,3}:\d{1,3}:[^:]*:[^:]*:\/usr\/sbin\/nologin$/);
      assert.deepEqual(more, []);
      await engine().stop();
      await engine().start();
      assert.equal(await shown(), '0 231072 65536');
      assert.deepEqual(await lines('passwd'), [user]);
      for (const file of ['subuid', 'subgid']) assert.deepEqual(await lines(file), ['dockremap:231072:65536'], file);
      assert.deepEqual(await hostAccounts(), accountsBefore, 'the host has what it had');
    });
  },
);
