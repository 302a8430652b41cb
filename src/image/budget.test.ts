import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { parseBudgetLimit } from '../spec/engine/storage-budget.ts';
import { layoutOf, makeImage, openTestImages, sha256, tar, type TestImage, type TestImages } from './_fixture.ts';

async function withImages(context: TestContext, ...names: string[]): Promise<{ t: TestImages; images: TestImage[] }> {
  const t = await openTestImages(context);
  const images: TestImage[] = [];
  for (const name of names) {
    const image = await makeImage(['base', name], { labels: { which: name } });
    await t.load([await tar(layoutOf([{ target: image.target, name }], image.blobs.values()))]);
    images.push(image);
  }
  return { t, images };
}

const hour = 3600n * 1_000_000_000n;
const budgetOf = (bytes: number, more: { graceNs?: bigint; keep?: string[] } = {}) => ({
  limit: { bytes },
  graceNs: 24n * hour,
  keep: [],
  ...more,
});
const names = async (t: TestImages): Promise<string[]> =>
  (await t.images.list({ sharedSize: false, manifests: false, filters: new Map() }))
    .map(({ RepoTags }) => RepoTags.join())
    .sort();

test('a budget takes what has been unused the longest, no more than needed, never what is used, new or kept', async (context) => {
  const { t, images } = await withImages(context, 'a', 'b', 'c', 'd', 'e');
  const id = (at: number) => images[at]!.target.digest;
  const full = await t.diskBytes();
  assert.deepEqual((await t.images.keepBudget(budgetOf(1))).ImagesDeleted, null, 'all are new');
  assert.equal((await names(t)).length, 5);
  t.skipTime(25n * hour);
  t.images.retain(id(0), 'container');
  await t.images.resolve('b');
  t.skipTime(25n * hour);
  await t.images.resolve('d');
  const dry = await t.images.keepBudget(budgetOf(full - 1, { keep: ['which=c'] }), { dryRun: true });
  assert.deepEqual(
    dry.Plan?.map(({ RepoTags }) => RepoTags.join()),
    ['e:latest'],
  );
  assert.match(dry.Plan?.[0]?.Reason ?? '', /^images take .* more than the budget; no container uses it; never used/);
  assert.equal((await names(t)).length, 5, 'a dry run only tells');
  const done = await t.images.keepBudget(budgetOf(full - 1, { keep: ['which=c'] }));
  assert.deepEqual(await names(t), ['a:latest', 'b:latest', 'c:latest', 'd:latest']);
  assert.equal(done.SpaceReclaimed, full - (await t.diskBytes()));
  assert.equal(done.SpaceReclaimed, dry.SpaceReclaimed);
  assert.deepEqual((await t.images.keepBudget(budgetOf(full - 1))).ImagesDeleted, null, 'it fits now');
  await t.images.keepBudget(budgetOf(1, { keep: ['which=c'] }));
  assert.deepEqual(await names(t), ['a:latest', 'c:latest', 'd:latest'], 'used, kept, new');
  await t.images.keepBudget(budgetOf(1, { graceNs: 0n }));
  assert.deepEqual(await names(t), ['a:latest']);
});

test('a budget begins with what broken pulls left, and passes by what gives nothing back', async (context) => {
  const { t } = await withImages(context, 'x');
  await t.images.tag('x', 'y', '1');
  const image = await makeImage(['base', 'more'], {});
  for (const [digest, bytes] of image.blobs) t.remote.set(digest, bytes);
  t.remote.set('1', image.manifest);
  const before = await t.diskBytes();
  t.cuts.set(sha256(image.layers[1]!), 1);
  await assert.rejects(t.pull('localhost:5000/app:1'));
  const withRest = await t.diskBytes();
  t.skipTime(25n * hour);
  const { ImagesDeleted } = await t.images.keepBudget(budgetOf(Math.max(before, withRest - 1)));
  assert.equal(ImagesDeleted, null);
  assert.deepEqual(await names(t), ['x:latest,y:1']);
  assert.ok((await t.diskBytes()) <= before);
});

test('a budget is put off while records cannot be read', async (context) => {
  const { t } = await withImages(context, 'x');
  t.skipTime(25n * hour);
  await t.loseRecord();
  await assert.rejects(t.images.keepBudget(budgetOf(1)), { code: 'conflict' });
  assert.deepEqual(await names(t), ['x:latest']);
});

test('limits are sizes or percentages', () => {
  assert.deepEqual(parseBudgetLimit('10g'), { bytes: 10 * 2 ** 30 });
  assert.deepEqual(parseBudgetLimit('12.5%'), { percent: 12.5 });
  for (const wrong of ['', '0', '-1', '0%', '101%', '%', ' 5%', 'NaN%', 'many']) {
    assert.throws(() => parseBudgetLimit(wrong), { code: 'invalid' }, wrong);
  }
});
