/**
 * Applications as people write and generate Dockerfiles for them, by every client that builds: what each gives is compared
 * with what Docker's engine makes of the same folder, at first and after a change. Their packages lie in the context.
 */
import assert from 'node:assert/strict';
import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { dockerdProgram, startEngine, type TestEngine } from '../support/engine.ts';
import { onlyLong } from '../support/skip.ts';
import { engineSuite } from '../support/suite.ts';
import { type App, apps, languages } from './_build-apps.ts';
import { type DoorName, doors } from './_build-doors.ts';
import { folder } from './_build-folder.ts';
import { busybox, dockerOf } from './_docker.ts';
import { configOf, dateContext, historyOf, layerIds, type Shape, shapeOf } from './_image-shape.ts';

/** The classic protocol has no secrets. */
const doorNames = (app: App): DoorName[] =>
  (Object.keys(doors) as DoorName[]).filter((door) => app.secrets === undefined || !/classic|docker-py/.test(door));

/** Labels that compose writes, and no other client. */
const isOfCompose = (name: string): boolean => name.startsWith('com.docker.compose.');

function withoutCompose({ Labels, ...config }: Record<string, unknown>): Record<string, unknown> {
  const labels = Object.entries((Labels ?? {}) as Record<string, string>).filter(([name]) => !isOfCompose(name));
  return labels.length === 0 ? config : { ...config, Labels: Object.fromEntries(labels) };
}

/** A directory of the base in which Docker makes something new has a new time there, and the old one here: docs/build.md. */
const comparable = ({ layers, ...shape }: Shape): Shape => ({
  ...shape,
  layers: layers.map((list) => list.map((line) => line.replace(/^(d\S+ \S+) 2024-01-01T00:00:00/, '$1')).sort()),
});

/** Steps of the Dockerfile as buildx tells of them, with whether the cache had them. */
async function stepsOf(
  engine: TestEngine,
  context: string,
  app: App,
  t: TestContext,
): Promise<Record<string, boolean>> {
  const { code, stderr } = await doors.buildx(engine, { ...app, context, tag: 'app:steps' }, t);
  assert.equal(code, 0, stderr);
  const names = new Map<string, string>();
  const steps: Record<string, boolean> = {};
  for (const line of stderr.split('\n')) {
    const [, id = '', rest = ''] = /^#(\d+) (.*)$/.exec(line) ?? [];
    if (/^\[(?!internal|auth)/.test(rest) && !names.has(id)) {
      names.set(id, rest);
      steps[rest] = false;
    }
    if (rest === 'CACHED') steps[names.get(id) ?? id] = true;
  }
  return Object.fromEntries(Object.entries(steps).filter(([name]) => !/\] FROM /.test(name)));
}

const contextOf = async (t: TestContext, files: App['files']): Promise<string> => {
  const context = await folder(t, files);
  await dateContext(context);
  return context;
};

/** dockerd would fetch what a line `# syntax=` names, from another registry: there it is a comment of the same length. */
const withoutSyntax = ({ files }: App): App['files'] => ({
  ...files,
  Dockerfile: String(files['Dockerfile']).replace(/^# syntax=/, '# syntax '),
});

async function change(context: string, [name, text]: App['change']): Promise<void> {
  await writeFile(join(context, name), text);
  const later = new Date('2023-06-07T08:09:10Z');
  await utimes(join(context, name), later, later);
}

engineSuite(
  'applications by every client',
  {
    prepare: withBuildx,
    images: ['busybox', 'languages'],
    skip: onlyLong(),
  },
  (engine) => {
    let dockerd: TestEngine | undefined;
    const oracle = (): TestEngine => {
      assert.ok(dockerd !== undefined);
      return dockerd;
    };
    before(async () => {
      dockerd = await startEngine({ prepare: withBuildx, program: dockerdProgram(), isOther: true });
      await dockerd.load('busybox', 'languages');
    });
    after(() => dockerd?.[Symbol.asyncDispose]());

    for (const [at, [name, app]] of Object.entries(apps).entries()) {
      test(name, { timeout: 600_000 }, async (t) => {
        const docker = dockerOf(engine);
        const [context, theirContext] = [await contextOf(t, app.files), await contextOf(t, withoutSyntax(app))];
        const base = String(app.files['Dockerfile']).includes(languages) ? languages : busybox;
        // Another client is the first one for each application: that one finds no cache.
        const names = doorNames(app);
        const ordered = [...names.slice(at % names.length), ...names.slice(0, at % names.length)];
        const images: string[] = [];
        for (const door of ordered) {
          const tag = `app-${door}:1`;
          const { code, stdout, stderr } = await doors[door](engine(), { ...app, context, tag }, t);
          assert.equal(code, 0, `${door}: ${stdout}${stderr}`);
          images.push(tag);
        }
        const { code, stderr } = await doors.buildx(oracle(), { ...app, context: theirContext, tag: 'app:1' }, t);
        assert.equal(code, 0, stderr);

        const mounted = new Set(['etc/', ...(app.mounted ?? [])]);
        const isMounted = (line: string) => line.startsWith('d') && mounted.has(line.split(' ').at(-1) ?? '');
        const theirs = comparable(await shapeOf(dockerOf(oracle), 'app:1', base, isMounted));
        const [first = ''] = images;
        const ours = comparable(await shapeOf(docker, first, base, isMounted));
        assert.deepEqual({ ...ours, config: withoutCompose(ours.config) }, theirs);
        for (const image of images) {
          assert.deepEqual(withoutCompose(await configOf(docker, image)), theirs.config, image);
          assert.deepEqual(await layerIds(docker, image), await layerIds(docker, first), image);
          assert.deepEqual(await historyOf(docker, image), await historyOf(docker, first), image);
        }
        assert.equal(await docker.ok('run', '--rm', first), app.says[0]);

        await change(context, app.change);
        await change(theirContext, app.change);
        const steps = await stepsOf(engine(), context, app, t);
        const theirSteps = await stepsOf(oracle(), theirContext, app, t);
        assert.deepEqual(steps, theirSteps);
        assert.ok(Object.values(steps).includes(false));
        assert.equal(await docker.ok('run', '--rm', 'app:steps'), app.says[1]);
      });
    }
  },
);
