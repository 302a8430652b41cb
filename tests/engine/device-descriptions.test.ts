/** CDI: directories of the operator's choice, YAML, and what is said of files that cannot be used. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { needsRoot } from '../support/skip.ts';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

const folder = await mkdtemp(join(tmpdir(), 'gt-cdi-'));
after(() => rm(folder, { recursive: true }));
const [first, second] = [join(folder, 'first'), join(folder, 'second')];
const skip = needsRoot();
if (skip === false) for (const path of [first, second]) await mkdir(path);

const yaml = `cdiVersion: "0.6.0"
kind: example.com/toy
containerEdits:
  env: [SHARED=yes]
devices:
  - name: one
    containerEdits: &edits
      env:
        - "TOY=one"
      deviceNodes:
        - path: /dev/toy
          hostPath: /dev/null
          fileMode: 0640
  - name: same
    containerEdits: *edits
`;

engineSuite(
  'descriptions of devices',
  { flags: [`--cdi-spec-dir=${first}`, `--cdi-spec-dir=${second}`], skip },
  (engine) => {
    const docker = dockerOf(engine);
    const toy = (device: string) =>
      docker(
        'run',
        '--rm',
        `--device=example.com/toy=${device}`,
        busybox,
        'sh',
        '-c',
        'echo $SHARED $TOY; ls -l /dev/toy',
      );

    test('are read as YAML, too, from the directories that the operator names', async () => {
      await writeFile(join(first, 'toy.yaml'), yaml);
      for (const name of ['one', 'same']) {
        const { code, stdout, stderr } = await toy(name);
        assert.deepEqual([code, stderr], [0, '']);
        assert.match(stdout, /^yes one\ncrw-r----- /);
      }
      const shown = await docker.ok('info', '-f', '{{join .CDISpecDirs " "}}');
      assert.equal(shown, `${first} ${second}`);
    });

    test('of the later directory win', async () => {
      await writeFile(join(first, 'toy.yaml'), yaml);
      await writeFile(join(second, 'toy.yaml'), yaml.replace('TOY=one', 'TOY=other'));
      assert.match((await toy('one')).stdout, /^yes other\n/);
      await rm(join(second, 'toy.yaml'));
    });

    test('that are wrong are named when a device is missed', async () => {
      const bad: readonly (readonly [string, string, RegExp])[] = [
        ['bad.yaml', 'kind: [', /bad\.yaml: .*(flow|sequence|end)/i],
        ['kind.yaml', 'cdiVersion: "0.6.0"\nkind: toy\ndevices: []\n', /kind\.yaml: .*invalid kind/],
        ['bad.json', '{"kind": ', /bad\.json: .*JSON/i],
        ['bomb.yaml', bomb(), /bomb\.yaml: .*alias/i],
      ];
      for (const [name, text, says] of bad) {
        await writeFile(join(first, name), text);
        const { code, stderr } = await toy('missing');
        assert.equal(code, 125, stderr);
        assert.match(stderr, /CDI device injection failed: unresolvable CDI devices example\.com\/toy=missing/);
        // Docker tells its own log alone.
        if (!isOracle()) assert.match(stderr, says);
        await rm(join(first, name));
      }
    });
  },
);

/** Nine levels of nine aliases each. */
function bomb(): string {
  const level = (at: number): string =>
    `l${at}: &l${at} [${Array.from({ length: 9 }, () => `*l${at - 1}`).join(', ')}]`;
  return ['l0: &l0 [x]', ...Array.from({ length: 9 }, (_, at) => level(at + 1))].join('\n');
}
