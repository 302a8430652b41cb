import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { layerOf } from '../support/crafted-image.ts';
import { isOracle } from '../support/engine.ts';
import { testImage } from '../support/images.ts';
import { ended } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { tarOf } from '../support/tar.ts';

type Case = readonly [changes: readonly string[], outcome: object | RegExp];

const shell = (text: string): string[] => ['/bin/sh', '-c', text];
const seconds = 1_000_000_000;

/** What an image is configured as after `--change`, or what is said instead; dockerd 28 does the same. */
const cases: readonly Case[] = [
  [['CMD echo $HOME'], { Cmd: shell('echo $HOME') }],
  [['CMD ["a", "b"]'], { Cmd: ['a', 'b'] }],
  [['CMD [a, b]'], { Cmd: shell('[a, b]') }],
  [['CMD y', 'ENTRYPOINT x'], { Cmd: shell('y'), Entrypoint: shell('x') }],
  [['ENTRYPOINT []'], {}],
  [['ENV A=1 B="two words" C=$A'], { Env: ['A=1', 'B=two words', 'C='] }],
  [
    ['ENV A=1', 'ENV B=$A C=${A} D=${X:-def} E=${A:+alt} F=\\$A'],
    { Env: ['A=1', 'B=1', 'C=1', 'D=def', 'E=alt', 'F=$A'] },
  ],
  [['ENV A some words'], { Env: ['A=some words'] }],
  [["ENV A='$B'"], { Env: ['A=$B'] }],
  [['ENV A=1 \\\nB=2'], { Env: ['A=1', 'B=2'] }],
  [['ENV A=x', 'LABEL a=$A "c d"="e f"'], { Env: ['A=x'], Labels: { a: 'x', 'c d': 'e f' } }],
  [
    ['EXPOSE 80 90/udp 100-102 8000:443'],
    { ExposedPorts: { '80/tcp': {}, '90/udp': {}, '100/tcp': {}, '101/tcp': {}, '102/tcp': {}, '443/tcp': {} } },
  ],
  [['VOLUME /a /b', 'VOLUME ["/c d"]'], { Volumes: { '/a': {}, '/b': {}, '/c d': {} } }],
  [['USER 1:2'], { User: '1:2' }],
  [['ENV A=/z', 'WORKDIR $A/y', 'WORKDIR b/../c', 'USER $A'], { Env: ['A=/z'], WorkingDir: '/z/y/c', User: '/z' }],
  [['STOPSIGNAL SIGTERM'], { StopSignal: 'SIGTERM' }],
  [['ONBUILD RUN x'], { OnBuild: ['RUN x'] }],
  [['HEALTHCHECK NONE'], { Healthcheck: { Test: ['NONE'] } }],
  [
    ['HEALTHCHECK --interval=5s --timeout=1m --start-period=2s --start-interval=1s --retries=3 CMD curl x'],
    {
      Healthcheck: {
        Test: ['CMD-SHELL', 'curl x'],
        Interval: 5 * seconds,
        Timeout: 60 * seconds,
        StartPeriod: 2 * seconds,
        StartInterval: seconds,
        Retries: 3,
      },
    },
  ],
  [['HEALTHCHECK --retries=0 CMD ["a","b"]'], { Healthcheck: { Test: ['CMD', 'a', 'b'] } }],
  [['EXPOSE 70000'], /Invalid containerPort: 70000/],
  [['EXPOSE x'], /Invalid containerPort: x/],
  [['VOLUME []'], /VOLUME requires at least one argument/],
  [['STOPSIGNAL NOPE'], /invalid signal: NOPE/],
  [['ONBUILD FROM x'], /FROM isn't allowed as an ONBUILD trigger/],
  [['ONBUILD ONBUILD RUN x'], /Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed/],
  [['HEALTHCHECK --bad=1 CMD x'], /unknown flag: --bad/],
  [['HEALTHCHECK FOO x'], /Unknown type "FOO" in HEALTHCHECK \(try CMD\)/],
  [['HEALTHCHECK --interval=1us CMD x'], /Interval "interval" cannot be less than 1ms/],
  [['HEALTHCHECK --interval=x CMD x'], /time: invalid duration "x"/],
  [['HEALTHCHECK NONE x'], /HEALTHCHECK NONE takes no arguments/],
  [['HEALTHCHECK CMD'], /Missing command after HEALTHCHECK CMD/],
  [['HEALTHCHECK'], /HEALTHCHECK requires at least one argument/],
  [['CMD --x=1 y'], /unknown flag: --x/],
  [['RUN x'], /RUN is not a valid change command/],
  [['# comment'], /file with no instructions/],
  [['ENV A'], /ENV must have two arguments/],
  [['ENV A="x'], /failed to process "\\"x": unexpected end of statement while looking for matching double-quote/],
  [['LABEL'], /LABEL requires at least one argument/],
  [['USER'], /USER requires exactly one argument/],
];

const program = `
const { createReadStream } = require('node:fs');
require('node:http').createServer((request, response) => {
  if (request.url === '/moved') return response.writeHead(302, { location: '/root.tar' }).end();
  if (request.url === '/root.tar') return createReadStream(process.argv[1]).pipe(response);
  response.writeHead(404).end();
}).listen(5000, '127.0.0.1', () => console.log('ready'));
`;

engineSuite('docker import', {}, (engine) => {
  const input = tarOf([{ name: 'f', body: 'x' }]);
  const docker = (...words: string[]) => engine().dockerOk(words);

  test('changes: every instruction, and what is refused', async () => {
    for (const [changes, outcome] of cases) {
      const words = ['import', ...changes.flatMap((change) => ['--change', change]), '-'];
      const { code, stdout, stderr } = await engine().docker(words, { input });
      const what = JSON.stringify(changes);
      if (outcome instanceof RegExp) {
        assert.match(stderr, outcome, what);
        assert.equal(code, 1, what);
        continue;
      }
      assert.equal(code, 0, `${what}: ${stderr}`);
      const id = stdout.trim();
      const shown = JSON.parse(await docker('image', 'inspect', '--format', '{{json .Config}}', id)) as object;
      const set = Object.entries(shown).filter(([, value]) => value !== null && value !== '' && value !== false);
      assert.deepEqual(Object.fromEntries(set), outcome, what);
      await docker('rmi', id);
    }
    assert.equal(await docker('images', '-q', '--filter', 'dangling=true'), '');
  });

  test('message, platform, name: history and inspect show them', async () => {
    const said = await engine().dockerOk(['import', '-m', 'by hand', '--platform', 'linux/arm64', '-', 'made:1'], {
      input,
    });
    assert.match(said, /^sha256:[0-9a-f]{64}$/);
    const fields = '{{.Id}} {{.Comment}} {{.Os}}/{{.Architecture}} {{.Parent}} {{len .RootFS.Layers}}';
    assert.equal(await docker('image', 'inspect', '--format', fields, 'made:1'), `${said} by hand linux/arm64  1`);
    assert.equal(
      await docker('history', '--format', '{{.ID}}|{{.CreatedBy}}|{{.Comment}}', 'made:1').then(afterBar),
      '|by hand',
    );
    await engine().dockerOk(['import', '-', 'made:2'], { input });
    assert.equal(
      await docker('history', '--format', '{{.ID}}|{{.CreatedBy}}|{{.Comment}}', 'made:2').then(afterBar),
      '|Imported from -',
    );
  });

  test('from a URL that the engine fetches, and from a file', async () => {
    const { recipe } = await testImage('busybox');
    const file = join(engine().folder, 'root.tar');
    await writeFile(file, await readFile(recipe.layers[0] ?? ''));
    const [command, ...args] = engine().namespaces.enter([process.execPath, '-e', program, file]);
    const server = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const end = ended(server);
    try {
      await once(createInterface(server.stdout), 'line');
      const url = 'http://127.0.0.1:5000/moved';
      const said = (await docker('import', '-c', 'CMD ["echo", "fetched"]', url, 'made:url')).split('\n');
      assert.equal(said[0], `Downloading from ${url}`);
      assert.match(said.at(-1) ?? '', /^sha256:[0-9a-f]{64}$/);
      assert.equal(await docker('run', '--rm', 'made:url'), 'fetched');
      assert.match(await docker('history', '--format', '{{.Comment}}', 'made:url'), /^Imported from http:\S+moved$/);
      const { code, stderr } = await engine().docker(['import', 'http://127.0.0.1:5000/none']);
      assert.deepEqual([code, /failed to GET http:\S+none with status 404 Not Found/.test(stderr)], [1, true]);
      await docker('import', '-c', 'CMD ["echo", "filed"]', file, 'made:file');
      assert.equal(await docker('run', '--rm', 'made:file'), 'filed');
    } finally {
      server.kill('SIGKILL');
      await end;
      await rm(file);
    }
  });

  test('export and import: capabilities, links, devices, holes, long names, odd modes and times', async () => {
    const { recipe } = await testImage('busybox');
    // CAP_NET_RAW, as setcap writes it (linux/capability.h, VFS_CAP_REVISION_2).
    const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
    const long = `${'d'.repeat(120)}/${'e'.repeat(120)}/${'f'.repeat(60)}`;
    const extra = layerOf(
      { name: 'able', body: 'able', mode: 0o755, xattrs: { 'security.capability': capability } },
      { name: 'suid', body: 'suid', mode: 0o4755, uid: 70_000, gid: 80_000 },
      { name: 'hard', type: 'hardlink', link: 'suid', mode: 0o4755, uid: 70_000, gid: 80_000 },
      { name: 'soft', type: 'symlink', link: `/${'x'.repeat(200)}` },
      { name: 'null', type: 'char', device: [1, 3], mode: 0o666 },
      { name: 'loop', type: 'block', device: [7, 300], mode: 0o600 },
      { name: 'pipe', type: 'fifo' },
      { name: 'sticky/', mode: 0o1777 },
      { name: long, body: 'long' },
    );
    const base = await readFile(recipe.layers[0] ?? '');
    // Without the end of the first archive, the second goes on in it.
    const root = Buffer.concat([base.subarray(0, endOf(base)), extra.blob]);
    await engine().dockerOk(['import', '-', 'made:before'], { input: root });
    const script = 'dd if=/dev/zero of=/holes bs=1 count=1 seek=8M; echo end >> /holes; touch -d @1700000000 /holes';
    await docker('run', '--name=before', 'made:before', 'sh', '-c', `${script} 2>/dev/null`);
    const [first, second] = [join(engine().folder, 'first.tar'), join(engine().folder, 'second.tar')];
    await docker('export', '-o', first, 'before');
    await docker('import', first, 'made:after');
    await docker('create', '--name=after', 'made:after', 'true');
    await docker('export', '-o', second, 'after');
    const list =
      'cd /; for f in able suid hard soft null loop pipe sticky holes; do stat -c "%n %F %a %u:%g %h %t:%T %Y %s" $f; done;' +
      ` cat ${long}; readlink soft; test suid -ef hard && echo same; tail -c 4 holes; md5sum holes`;
    const [before, after] = [
      await docker('run', '--rm', 'made:before', 'sh', '-c', `${script} 2>/dev/null; ${list}`),
      await docker('run', '--rm', 'made:after', 'sh', '-c', list),
    ];
    assert.equal(after, before);
    assert.match(after, /^suid regular file 4755 70000:80000 2 /m);
    assert.match(after, /^null character special file 666 0:0 1 1:3 /m);
    assert.match(after, /^same$/m);
    const record = Buffer.concat([Buffer.from('SCHILY.xattr.security.capability='), capability]);
    for (const path of [first, second]) {
      const head = await beginning(path, 32 << 20);
      if (!isOracle()) assert.ok(head.includes(record), path);
      await rm(path);
    }
  });
});

const afterBar = (text: string): string => text.slice(text.indexOf('|') + 1);

/** Where the blocks of zeros at the end of an archive begin. */
function endOf(archive: Buffer): number {
  let end = archive.length;
  while (end >= 512 && archive.subarray(end - 512, end).every((byte) => byte === 0)) end -= 512;
  return end;
}

async function beginning(path: string, length: number): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
