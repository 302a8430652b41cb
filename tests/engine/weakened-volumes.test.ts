/** Archives that reach for the host when they are imported into a volume: on an engine without a guard they get there. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestEngine } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { tarOf, type TarMember } from '../support/tar.ts';
import { attacksOn, none, secret } from './_attacks.ts';
import { busybox } from './_docker.ts';

engineSuite('attacks by archives of volumes', { runtimes: ['crun'] }, (engine) => {
  const attack = attacksOn(engine);
  const [program, ...first] = gantryProgram;

  /** Imports an archive; whether it is refused is the engine's choice. */
  const take = (one: TestEngine, ...members: TarMember[]) =>
    run(program, [...first, 'volume', 'import', 'tree'], { env: { ...one.clientEnv() }, input: tarOf(members) });
  const shell = async (one: TestEngine, script: string) =>
    (await one.docker(['run', '--rm', '--runtime=crun', '-v', 'tree:/v', busybox, 'sh', '-c', script])).stdout;
  const written = (canary: string) => readFile(join(canary, 'escaped'), 'utf8').catch(() => '');

  attack(
    'a file behind a link of the archive to the host',
    'links lead out',
    async (one, canary) => {
      await take(one, { name: 'out', type: 'symlink', link: canary }, { name: 'out/escaped', body: 'attacked' });
      return written(canary);
    },
    { weak: /^attacked$/, real: none },
  );

  attack(
    'a file whose name climbs out',
    'names lead out',
    async (one, canary) => {
      await take(one, { name: `${'../'.repeat(30)}${canary.slice(1)}/escaped`, body: 'attacked' });
      return written(canary);
    },
    { weak: /^attacked$/, real: none },
  );

  attack(
    'a hard link to a file of the host, through a link',
    'links lead out',
    async (one, canary) => {
      const out = { name: 'out', type: 'symlink', link: canary } as const;
      await take(one, out, { name: 'hard', type: 'hardlink', link: 'out/file' });
      return shell(one, 'cat /v/hard');
    },
    { weak: new RegExp(secret), real: none },
  );

  attack(
    'a hard link whose target climbs out',
    'names lead out',
    async (one, canary) => {
      await take(one, { name: 'hard', type: 'hardlink', link: `${'../'.repeat(30)}${canary.slice(1)}/file` });
      return shell(one, 'cat /v/hard');
    },
    { weak: new RegExp(secret), real: none },
  );

  attack(
    'a folder of the host given away by a member behind a link',
    'links lead out',
    async (one, canary) => {
      const members = [{ name: 'out', type: 'symlink', link: join(canary, '..') }, ownedFolder(canary)] as const;
      await take(one, ...members);
      const { uid } = await stat(canary);
      return uid === 0 ? '' : String(uid);
    },
    { weak: /^4321$/, real: none },
  );

  attack(
    'a device of the host by a node in the archive',
    'any device',
    async (one) => {
      // The control device of loop devices: to open it does nothing.
      await take(one, { name: 'node', type: 'char', device: [10, 237], mode: 0o666 });
      return shell(one, 'exec 3< /v/node && echo opened');
    },
    { weak: /^opened$/m, real: none },
  );
});

const ownedFolder = (canary: string): TarMember => ({
  name: `out/${canary.split('/').at(-1) ?? ''}/`,
  uid: 4321,
  mode: 0o755,
});
