import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { tarOf } from '../support/tar.ts';
import { postBuild } from './_classic-build.ts';
import { type KeyCase, type KeyedBuild, keyCases } from './_build-keys.ts';
import { lines } from './_build-folder.ts';
import { busybox } from './_docker.ts';

/** Each case builds two times on a file of its own, so that no case finds what another one has made. */
engineSuite('what is done again when something else is built', {}, (engine) => {
  /** Steps without their numbers, and whether they came out of the cache. */
  async function build(title: string, one: KeyedBuild): Promise<Map<string, boolean>> {
    const dockerfile = lines(`FROM ${busybox} AS base`, 'COPY own /own', 'FROM base', ...one.lines);
    const archive = tarOf([
      { name: 'Dockerfile', body: dockerfile },
      { name: 'own', body: title },
      ...(one.files ?? []),
    ]);
    const { lines: told } = await postBuild(engine(), one.options ?? {}, archive);
    const steps = new Map<string, boolean>();
    let last = '';
    for (const { stream = '', error } of told) {
      assert.equal(error, undefined, title);
      const step = /^Step \d+\/\d+ : (.*)\n$/s.exec(stream);
      if (step !== null) steps.set((last = step[1] ?? ''), false);
      else if (stream === ' ---> Using cache\n') steps.set(last, true);
    }
    return steps;
  }

  /** The steps of the second build that were done again. */
  async function doneAgain({ title, first, second }: KeyCase): Promise<string[]> {
    await build(title, first);
    const steps = [...(await build(title, second))].filter(([step]) => !step.startsWith('FROM '));
    return steps.filter(([, cached]) => !cached).map(([step]) => step);
  }

  test(`${keyCases.length} cases`, async () => {
    // Four at once: the cases do not know of each other.
    const left = [...keyCases];
    const found = new Map<string, readonly string[]>();
    const work = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        found.set(next.title, await doneAgain(next));
      }
    };
    await Promise.all([work(), work(), work(), work()]);
    for (const { title, again } of keyCases) assert.deepEqual(found.get(title), again, title);
  });
});
