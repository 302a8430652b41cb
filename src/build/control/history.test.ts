import assert from 'node:assert/strict';
import { test } from 'node:test';
import { solveRequest } from '../wire/control.ts';
import { decode } from '../wire/decode.ts';
import { historyFilter } from './history-filter.ts';
import { type BuildJob, BuildJobs } from './job.ts';

const empty = decode(solveRequest, new Uint8Array(0));

function over(jobs: BuildJobs, ref: string, change: (job: BuildJob) => void = () => undefined): BuildJob {
  const job = jobs.begin({ ...empty, ref });
  change(job);
  jobs.end(job);
  return job;
}

test('the latest builds are remembered, and those that are pinned', () => {
  const jobs = new BuildJobs();
  over(jobs, 'first');
  assert.equal(jobs.pin('first', true), true);
  assert.equal(jobs.pin('nobody', true), false);
  for (let at = 0; at < 150; at++) over(jobs, `build-${at}`);
  const refs = jobs.past().map(({ ref }) => ref);
  assert.equal(refs.length, 101);
  assert.deepEqual([refs[0], refs[1], refs.at(-1)], ['first', 'build-50', 'build-149']);
  jobs.pin('first', false);
  over(jobs, 'last');
  assert.ok(!jobs.past().some(({ ref }) => ref === 'first'));
  for (const { ref } of jobs.past()) jobs.pin(ref, true);
  over(jobs, 'one-more');
  assert.throws(() => jobs.pin('one-more', true), /100 builds are pinned/);
});

test('filters choose builds by what they are and when they were', () => {
  const jobs = new BuildJobs();
  const good = over(jobs, 'good-1', (job) => {
    job.record.attributes = new Map([['vcs:source', 'https://git.example/one']]);
  });
  const bad = over(jobs, 'bad-1', (job) => (job.error = { code: 2, message: 'exit code: 1' }));
  const left = over(jobs, 'left-1', (job) => (job.error = { code: 1, message: 'context canceled' }));
  const running = jobs.begin({ ...empty, ref: 'running-1' });
  const all = [good, bad, left, running];
  const now = Date.now() + 60_000;
  const chosen = (...filters: string[]): string[] =>
    all.filter(historyFilter(filters, now)).map(({ ref }) => ref.split('-')[0] ?? '');
  for (const [filters, wanted] of [
    [[], ['good', 'bad', 'left', 'running']],
    [['status==completed'], ['good']],
    [['status==error'], ['bad']],
    [['status==canceled'], ['left']],
    [
      ['status==running', 'ref==bad-1'],
      ['bad', 'running'],
    ],
    [['ref~=-1,status!=running'], ['good', 'bad', 'left']],
    [['"ref~=-1",status==error'], ['bad']],
    [['repository==https://git.example/one'], ['good']],
    [['startedAt>1h'], ['good', 'bad', 'left', 'running']],
    [['startedAt<1h'], []],
    [['completedAt>1h'], ['good', 'bad', 'left']],
    [['duration<1m'], ['good', 'bad', 'left']],
    [['startedAt>=2020-01-01T00:00:00Z,status==error'], ['bad']],
  ] as const) {
    assert.deepEqual(chosen(...filters), wanted, filters.join(' | '));
  }
});

test('what is no filter is refused', () => {
  for (const [filter, reason] of [
    ['status', /invalid filter/],
    ['owner==me', /invalid filter/],
    ['status<completed', /status cannot be compared by </],
    ['duration==5s', /duration cannot be compared by ==/],
    ['startedAt>2020-99-99', /invalid time/],
    ['duration>soon', /duration/],
    [`ref==${'x'.repeat(70_000)}`, /more than/],
  ] as const) {
    assert.throws(() => historyFilter([filter], 0), reason, filter.slice(0, 50));
  }
});
