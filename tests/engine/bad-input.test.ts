import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { stableTar } from '../support/image-archive.ts';
import { testImage } from '../support/images.ts';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';

const { name: image, archive } = await testImage('busybox');

/** Requests that must be refused, with Docker's status and words that name what is wrong. */
const refused: readonly [what: string, method: string, path: string, body: unknown, status: number, says: RegExp][] = [
  ['an unknown path', 'GET', '/v1.41/nonsense', undefined, 404, /page not found/],
  ['an API version from the future', 'GET', '/v1.99/containers/json', undefined, 400, /too new|maximum supported/],
  ['an API version from the past', 'GET', '/v1.10/containers/json', undefined, 400, /too old|minimum supported/],
  ['malformed JSON', 'POST', '/containers/create', '{"Image": ', 400, /./],
  ['a wrong-typed field', 'POST', '/containers/create', { Image: image, Env: 'A=b' }, 400, /Env/],
  ['a body that is no object', 'POST', '/containers/create', '[1]', 400, /./],
  ['a missing image', 'POST', '/containers/create', { Image: 'no/such:image' }, 404, /No such image: no\/such:image/],
  ['a name against the grammar', 'POST', '/containers/create?name=-x', { Image: image }, 400, /Invalid container name/],
  ['too little memory', 'POST', '/containers/create', { Image: image, HostConfig: { Memory: 1024 } }, 400, /memory/i],
  [
    'removal and a restart policy at once',
    'POST',
    '/containers/create',
    { Image: image, HostConfig: { AutoRemove: true, RestartPolicy: { Name: 'always' } } },
    400,
    /AutoRemove|restart policy/,
  ],
  ['a relative bind', 'POST', '/containers/create', { Image: image, HostConfig: { Binds: ['a/b:/c'] } }, 400, /a\/b/],
  [
    'an unknown restart policy',
    'POST',
    '/containers/create',
    { Image: image, HostConfig: { RestartPolicy: { Name: 'sometimes' } } },
    400,
    /restart policy/,
  ],
  ['a missing container', 'GET', '/containers/nobody/json', undefined, 404, /No such container: nobody/],
  ['a start of a missing container', 'POST', '/containers/nobody/start', undefined, 404, /No such container: nobody/],
  ['a missing image to inspect', 'GET', '/images/nothing/json', undefined, 404, /No such image: nothing/i],
  [
    'a reference against the grammar',
    'POST',
    '/images/create?fromImage=UPPER/Case',
    undefined,
    400,
    /invalid reference|lowercase/,
  ],
  ['a missing volume', 'GET', '/volumes/nothing', undefined, 404, /nothing/],
  ['a missing network', 'GET', '/networks/nothing', undefined, 404, /network nothing not found/],
  ['filters that are no JSON', 'GET', '/containers/json?filters=x', undefined, 400, /./],
  [
    'an unknown filter',
    'GET',
    '/containers/json?filters=%7B%22moon%22%3A%5B%22full%22%5D%7D',
    undefined,
    400,
    /invalid filter 'moon'/,
  ],
  ['an exec without a command', 'POST', '/containers/standing/exec', {}, 400, /no exec command specified/i],
  ['an unknown signal', 'POST', '/containers/standing/kill?signal=SIGMOON', undefined, 400, /invalid signal: SIGMOON/i],
];

engineSuite('bad input', {}, (engine) => {
  for (const [what, method, path, body, status, says] of refused) {
    test(`${what} gives ${status}`, async () => {
      if (path.includes('standing'))
        await engine().dockerOk(['run', '-d', '--name', 'standing', image, 'sleep', '1000']);
      const answer = await engine().api(method, path, body);
      assert.equal(answer.status, status, answer.text);
      // Docker itself answers some of them in plain text.
      const message = isOracle() ? answer.text : answer.json<{ message: string }>().message;
      assert.match(message, says);
    });
  }

  test('a port in use: nothing half-made is left', async () => {
    await engine().dockerOk(['run', '-d', '--name', 'holder', '-p', '8085:80', image, 'sleep', '1000']);
    const { code, stderr } = await engine().docker([
      'run',
      '-d',
      '--name',
      'second',
      '-p',
      '8085:80',
      image,
      'sleep',
      '1',
    ]);
    assert.equal(code, 125);
    assert.match(stderr, /port is already allocated|address already in use/);
    assert.equal(await engine().dockerOk(['inspect', '-f', '{{.State.Status}}', 'second']), 'created');
  });

  test('a runtime that fails is told readably', async () => {
    const { code, stderr } = await engine().docker(['run', '--rm', '-w', '/etc/passwd', image, 'true']);
    assert.notEqual(code, 0);
    assert.match(stderr, /not a directory|workdir|chdir|mkdir/i);
  });

  const damaged: readonly [what: string, make: (folder: string) => Promise<string>, says: RegExp][] = [
    ['no archive at all', async (folder) => write(folder, 'this is no archive'), /./],
    ['a truncated archive', async (folder) => truncated(folder), /./],
    ['an archive without a manifest', async (folder) => packed(folder, { 'readme.txt': 'hello' }), /./],
    ['a manifest that is no JSON', async (folder) => packed(folder, { 'manifest.json': '{{{' }), /./],
    [
      'a manifest that points outside',
      async (folder) =>
        packed(folder, {
          'manifest.json': JSON.stringify([
            { Config: '../../etc/passwd', RepoTags: ['evil:1'], Layers: ['../../etc/shadow'] },
          ]),
        }),
      /./,
    ],
  ];
  for (const [what, make, says] of damaged) {
    test(`load of ${what} fails and leaves no image`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'gantry-damaged-'));
      try {
        const before = await engine().dockerOk(['images', '-aq']);
        const { code, stdout, stderr } = await engine().docker(['load', '-i', await make(folder)]);
        assert.notEqual(code, 0, stdout);
        assert.match(stderr, says);
        assert.equal(await engine().dockerOk(['images', '-aq']), before);
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  }

  test('an image whose /dev, /proc and /sys are links writes nothing into the host', {
    skip: isOracle() && 'about our guard',
  }, async () => {
    const attack = await engine().load('attack');
    const canary = '/tmp/gantry-canary';
    for (const name of ['dev', 'proc', 'sys']) await mkdir(join(canary, name), { recursive: true });
    try {
      const { code, stdout } = await engine().docker(['run', '--rm', attack, 'sh', '-c', 'ls -ld /dev /proc /sys']);
      assert.equal(code, 0);
      assert.doesNotMatch(stdout, /->/);
      for (const name of ['dev', 'proc', 'sys']) assert.deepEqual(await readdir(join(canary, name)), []);
    } finally {
      await rm(canary, { recursive: true });
      await engine().dockerOk(['rmi', attack]);
    }
  });
});

async function write(folder: string, text: string): Promise<string> {
  const file = join(folder, 'archive.tar');
  await writeFile(file, text);
  return file;
}

async function packed(folder: string, files: Readonly<Record<string, string>>): Promise<string> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const file = join(folder, 'archive.tar');
  await must('tar', [...stableTar, '-cf', file, '-C', folder, ...Object.keys(files)]);
  return file;
}

async function truncated(folder: string): Promise<string> {
  const file = join(folder, 'archive.tar');
  await must('sh', ['-c', `head -c 1000000 '${archive}' > '${file}'`]);
  return file;
}
