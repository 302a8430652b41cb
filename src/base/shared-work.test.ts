import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Semaphore } from './async.ts';
import { GivenUp, SharedWork, type SharedTask } from './shared-work.ts';

/** Work that ends when the test says so, and records what becomes of it. */
function stepwise() {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const seen = { begun: 0, aborted: false };
  const told = Promise.withResolvers<(news: string) => void>();
  const work = (tell: (news: string) => void, { signal }: SharedTask): Promise<void> => {
    seen.begun++;
    told.resolve(tell);
    signal.addEventListener('abort', () => {
      seen.aborted = true;
      reject(new Error('stopped'));
    });
    return promise;
  };
  return { work, seen, resolve, reject, telling: told.promise };
}

const caller = (work: ReturnType<typeof stepwise>['work']) => {
  const abort = new AbortController();
  const heard: string[] = [];
  return { share: { work, tell: (news: string) => void heard.push(news), signal: abort.signal }, heard, abort };
};

describe('SharedWork', () => {
  test('is done once, and told to all; who comes later hears what was told last', async () => {
    const shared = new SharedWork<string, string>();
    const { work, seen, resolve, telling } = stepwise();
    const [a, b] = [caller(work), caller(work)];
    const first = shared.run('x', a.share);
    (await telling)('one');
    const second = shared.run('x', b.share);
    (await telling)('two');
    resolve();
    await Promise.all([first, second]);
    assert.equal(seen.begun, 1);
    assert.deepEqual(
      [a.heard, b.heard],
      [
        ['one', 'two'],
        ['one', 'two'],
      ],
    );
  });

  test('goes on for the others when the one who began leaves, and ends with the last', async () => {
    const shared = new SharedWork<string, string>();
    const { work, seen } = stepwise();
    const [a, b] = [caller(work), caller(work)];
    const first = shared.run('x', a.share);
    const second = shared.run('x', b.share);
    a.abort.abort();
    await assert.rejects(first, { code: 'cancelled' });
    assert.equal(seen.aborted, false);
    b.abort.abort();
    await assert.rejects(second, { code: 'cancelled' });
    assert.equal(seen.aborted, true);
  });

  test('that fails for another caller is tried with the own work', async () => {
    const shared = new SharedWork<string, string>();
    const [bad, good] = [stepwise(), stepwise()];
    const first = shared.run('x', caller(bad.work).share);
    const second = shared.run('x', caller(good.work).share);
    bad.reject(new Error('no'));
    await assert.rejects(first, /no/);
    good.resolve();
    await second;
    assert.deepEqual([bad.seen.begun, good.seen.begun], [1, 1]);
  });

  test('that is given up is left to who waits with other means, and waited for', async () => {
    const shared = new SharedWork<string, string>();
    const [slow, good] = [stepwise(), stepwise()];
    const contests: (() => boolean)[] = [];
    const first = shared.run('x', {
      ...caller(slow.work).share,
      means: 'slow',
      // Begun again, it finds all done.
      work: (tell, task) => (contests.push(task.isContested) > 1 ? Promise.resolve() : slow.work(tell, task)),
    });
    const same = shared.run('x', { ...caller(good.work).share, means: 'slow' });
    await new Promise(setImmediate);
    assert.equal(contests[0]?.(), false);
    const other = shared.run('x', { ...caller(good.work).share, means: 'other' });
    assert.equal(contests[0]?.(), true);
    slow.reject(new GivenUp());
    good.resolve();
    await Promise.all([first, same, other]);
    assert.equal(slow.seen.begun, 1);
    assert.ok(good.seen.begun > 0);
  });
});

test('who waits for a place of a Semaphore leaves at once when cancelled, and takes no place', async () => {
  const places = new Semaphore(1);
  const { promise, resolve } = Promise.withResolvers<void>();
  const inside = places.run(() => promise);
  const abort = new AbortController();
  const waiting = places.run(() => assert.fail('not cancelled'), abort.signal);
  const next = places.run(() => 'next');
  assert.equal(places.waiting, 2);
  abort.abort();
  await assert.rejects(waiting, { code: 'cancelled' });
  assert.equal(places.waiting, 1);
  resolve();
  await inside;
  assert.equal(await next, 'next');
});
