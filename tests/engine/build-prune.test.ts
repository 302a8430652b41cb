/** What of the build cache is listed and deleted: the same on dockerd. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { folder, lines } from './_build-folder.ts';
import { buildxOf } from './_buildx.ts';
import { busybox } from './_docker.ts';

interface Pruned {
  readonly CachesDeleted?: readonly string[] | null;
  readonly SpaceReclaimed?: number;
  readonly message?: string;
}

interface CacheItem {
  readonly ID: string;
  readonly Type: string;
  readonly Description: string;
  readonly Shared: boolean;
  readonly InUse: boolean;
  readonly Size: number;
  readonly Parents?: readonly string[] | null;
}

engineSuite('pruning the build cache', { prepare: withBuildx }, (engine) => {
  const { docker, built } = buildxOf(engine);
  const prune = async (query: string, status = 200): Promise<Pruned> => {
    const answer = await engine().api('POST', `/v1.48/build/prune?${query}`);
    assert.equal(answer.status, status, answer.text);
    return answer.json<Pruned>();
  };
  const filtered = (filters: object, more = 'all=1'): string =>
    `${more}&filters=${encodeURIComponent(JSON.stringify(filters))}`;
  const steps = async (): Promise<readonly CacheItem[]> => {
    const { BuildCache = [] } = (await engine().api('GET', '/v1.48/system/df?type=build-cache')).json<{
      BuildCache?: CacheItem[];
    }>();
    return BuildCache.filter(({ Description }) => Description.includes('head -c'));
  };
  const step = (text: string): string => `RUN head -c 100000 /dev/urandom > /${text}`;
  const hits = (text: string): number => text.match(/RUN .*\n#\d+ CACHED$/gm)?.length ?? 0;

  test('what images have as well stays, unless all is meant', async (t) => {
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, step('one'), step('two')) });
    await built(context, '-t', 'kept:1');
    assert.deepEqual(
      (await steps()).map(({ Shared, Type }) => [Shared, Type]),
      [
        [true, 'regular'],
        [true, 'regular'],
      ],
    );
    await docker.ok('builder', 'prune', '-f');
    assert.equal((await steps()).length, 2);
    await docker.ok('buildx', 'prune', '-f');
    assert.equal(hits(await built(context, '-t', 'kept:1')), 2);
    await docker.ok('image', 'rm', 'kept:1');
    assert.ok((await steps()).every(({ Shared }) => !Shared));
    assert.equal(hits(await built(context)), 2);
    await docker.ok('image', 'prune', '-f');
    await docker.ok('builder', 'prune', '-f');
    assert.equal((await steps()).length, 0);
    await built(context, '-t', 'kept:1');
    await docker.ok('builder', 'prune', '-af');
    assert.equal((await steps()).length, 0);
  });

  test('filters choose what goes', async (t) => {
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, step('one'), step('two')) });
    await built(context, '--output=type=cacheonly');
    const found = await steps();
    const two = found.find(({ Description }) => Description.includes('/two')) as CacheItem;
    const one = found.find(({ Description }) => Description.includes('/one')) as CacheItem;
    // dockerd tells of them to buildx alone.
    if (!isOracle()) assert.deepEqual(two.Parents, [one.ID]);
    const nothing = async (filters: object): Promise<void> => {
      assert.equal((await prune(filtered(filters))).CachesDeleted ?? null, null, JSON.stringify(filters));
      assert.equal((await steps()).length, 2, JSON.stringify(filters));
    };
    await nothing({ until: ['1h'] });
    await nothing({ 'unused-for': ['1h'] });
    await nothing({ until: ['2020-01-02T00:00:00Z'] });
    await nothing({ id: ['zzzz'] });
    await nothing({ type: ['exec.cachemount'] });
    await nothing({ description: ['nothing-of-the-kind'] });
    await nothing({ shared: [] });
    await nothing({ inuse: [] });
    assert.match((await prune(filtered({ owner: ['me'] }), 400)).message ?? '', /invalid filter 'owner'/);
    assert.match((await prune(filtered({ type: ['a', 'b'] }), 400)).message ?? '', /filters expect only one value/);
    assert.match(
      (await prune(filtered({ until: ['1h'], 'unused-for': ['1h'] }), 400)).message ?? '',
      /conflicting filters: "?until"? and "?unused-for"?/,
    );
    assert.match((await prune(filtered({ until: ['soon'] }), 400)).message ?? '', /expects a duration/);
    assert.match((await prune('reserved-space=some', 400)).message ?? '', /reserved-space is in bytes/);
    const gone = await prune(filtered({ id: [two.ID.slice(3, 12)], private: [] }));
    assert.deepEqual(gone.CachesDeleted, [two.ID]);
    assert.ok((gone.SpaceReclaimed ?? 0) >= 100_000);
    assert.deepEqual(
      (await steps()).map(({ ID }) => ID),
      [one.ID],
    );
    await built(context, '--output=type=cacheonly');
    const shown = await docker.ok('buildx', 'du', '--filter', `id=${one.ID}`, '--verbose');
    assert.match(shown, new RegExp(`^ID:\\s+${one.ID}$`, 'm'));
    assert.equal(shown.match(/^ID:/gm)?.length, 1);
    assert.doesNotMatch(await docker.ok('buildx', 'du', '--filter', 'type=source.git.checkout', '--verbose'), /^ID:/m);
    assert.match(await docker.ok('buildx', 'prune', '-f', '--filter', 'until=1h'), /^Total:\s+0B$/m);
    assert.match(await docker.ok('buildx', 'prune', '-f', '--filter', 'description=nothing'), /Total:\s+0B/);
    assert.equal((await steps()).length, 2);
    await docker.ok('buildx', 'prune', '-af', '--filter', 'type=regular');
    assert.equal((await steps()).length, 0);
  });

  test('so many bytes stay, or may stay, or are to be free', async (t) => {
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, step('one'), step('two'), step('three')) });
    await built(context, '--output=type=cacheonly');
    const left = async (query: string): Promise<number> => {
      await prune(query);
      return (await steps()).length;
    };
    assert.equal(await left('all=1&reserved-space=10000000000'), 3);
    assert.equal(await left('all=1&keep-storage=10000000000'), 3);
    assert.equal(await left('all=1&max-used-space=10000000000'), 3);
    // BuildKit means to delete nothing then, and deletes one record.
    if (!isOracle()) assert.equal(await left('all=1&min-free-space=1'), 3);
    assert.equal(await left('all=1&min-free-space=9000000000000000&reserved-space=10000000000'), 3);
    // Clients that are older have one of them.
    await engine().api('POST', '/v1.47/build/prune?all=1&max-used-space=1&keep-storage=10000000000');
    assert.equal((await steps()).length, 3);
    if (!isOracle()) {
      // Sizes of layers are not the same in both.
      const sizes = (await steps()).map(({ Size }) => Size);
      const total = sizes.reduce((sum, size) => sum + size, 0);
      const context1 = (await engine().api('GET', '/system/df?type=build-cache')).json<{ BuildCache: CacheItem[] }>();
      const all = context1.BuildCache.reduce((sum, { Size }) => sum + Size, 0);
      assert.equal(await left(filtered({ type: ['regular'] }, `max-used-space=${all - 1}`)), 2);
      assert.ok(total > 300_000);
    }
    assert.equal(await left('all=1&min-free-space=9000000000000000'), 0);
  });
});
