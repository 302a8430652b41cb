import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { silentLogger } from '../../base/log.ts';
import { solveRequest } from '../wire/control.ts';
import { decode } from '../wire/decode.ts';
import { historyFilter } from './history-filter.ts';
import { recordOf } from './history-record.ts';
import { BuildHistory } from './history-store.ts';
import type { BuildJob, StatusEvent } from './job.ts';
import { BuildJobs } from './jobs.ts';
import { traceType } from './trace.ts';

const empty = decode(solveRequest, new Uint8Array(0));

function over(jobs: BuildJobs, ref: string, change: (job: BuildJob) => void = () => undefined): BuildJob {
  const job = jobs.begin({ ...empty, ref });
  change(job);
  jobs.end(job);
  return job;
}

async function historyFolder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'gantry-history-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return join(path, 'history');
}

const open = (folder: string): BuildJobs => new BuildJobs(new BuildHistory(folder, silentLogger));
const refsOf = async (jobs: BuildJobs): Promise<string[]> => (await jobs.history.records()).map(({ ref }) => ref);

async function eventsOf(jobs: BuildJobs, ref: string): Promise<StatusEvent[]> {
  const events: StatusEvent[] = [];
  for await (const event of await jobs.events(ref, new AbortController().signal)) events.push(event);
  return events;
}

test('the latest builds are remembered, and those that are pinned, by later engines as well', async (t) => {
  const folder = await historyFolder(t);
  const jobs = open(folder);
  over(jobs, 'first');
  assert.equal(await jobs.pin('first', true), true);
  assert.equal(await jobs.pin('nobody', true), false);
  for (let at = 0; at < 150; at++) over(jobs, `build-${at}`);
  await jobs.history.settled();
  const refs = await refsOf(jobs);
  assert.equal(refs.length, 101);
  assert.deepEqual([refs[0], refs[1], refs.at(-1)], ['first', 'build-50', 'build-149']);
  const later = open(folder);
  assert.deepEqual(new Set(await refsOf(later)), new Set(refs));
  assert.deepEqual((await later.history.records()).filter(({ pinned }) => pinned).length, 1);
  await later.pin('first', false);
  assert.equal(await later.forget('build-77'), true);
  over(later, 'last');
  over(later, 'last-2');
  await later.history.settled();
  assert.ok(!(await refsOf(later)).some((ref) => ref === 'first' || ref === 'build-77'));
  assert.equal((await readdir(folder)).length, 100);
  for (const ref of await refsOf(later)) await later.pin(ref, true);
  over(later, 'one-more');
  await assert.rejects(later.pin('one-more', true), /100 builds are pinned/);
});

test('a build has its logs, documents and a trace after a restart', async (t) => {
  const folder = await historyFolder(t);
  const jobs = open(folder);
  const text = Buffer.from('a line\n'.repeat(5000));
  const job = jobs.begin({ ...empty, ref: 'ref-1' });
  await job.step({ name: 'RUN one' }, async (output) => {
    for (let at = 0; at < 20; at++) output.log(1, text);
  });
  await job.step({ name: 'RUN two' }, () => Promise.reject(new Error('it broke'))).catch(() => undefined);
  const kept = job.record.keep('text/plain', Buffer.from('a document'));
  job.record.keep('text/plain', Buffer.from('another one'));
  job.record.attributes = new Map([
    ['context', 'https://me:password1@git.example/x.git'],
    ['build-arg:API_TOKEN', 'password2'],
    ['build-arg:VERSION', '7'],
  ]);
  job.error = { code: 2, message: 'it broke' };
  jobs.end(job);
  const before = await eventsOf(jobs, 'ref-1');
  await jobs.history.settled();
  const later = open(folder);
  const after = await eventsOf(later, 'ref-1');
  assert.deepEqual(await eventsOf(jobs, 'ref-1'), after);
  assert.equal(after.length, before.length);
  assert.equal(after.flatMap(({ logs = [] }) => logs.map(({ msg }) => String(msg))).join(''), String(text).repeat(20));
  const record = (await later.history.records()).find(({ ref }) => ref === 'ref-1');
  assert.equal(record?.error?.message, 'it broke');
  assert.deepEqual([record?.numTotalSteps, record?.numCompletedSteps], [2, 1]);
  assert.equal(record?.frontendAttrs?.get('context'), 'https://xxxxx@git.example/x.git');
  assert.equal(record?.frontendAttrs?.get('build-arg:API_TOKEN'), 'xxxxx');
  assert.equal(record?.frontendAttrs?.get('build-arg:VERSION'), '7');
  const read = async (digest: string, from = 0): Promise<Buffer> => {
    const document = await later.history.document(digest);
    const parts: Uint8Array[] = [];
    for await (const part of document?.bytes(from, document.size) ?? []) parts.push(part);
    assert.equal(Buffer.concat(parts).length, (document?.size ?? 0) - from);
    return Buffer.concat(parts);
  };
  assert.equal(String(await read(kept?.digest ?? '')), 'a document');
  assert.equal(String(await read(kept?.digest ?? '', 2)), 'document');
  const logs = await read(record?.logs?.digest ?? '');
  assert.equal(`sha256:${hash('sha256', logs, 'hex')}`, record?.logs?.digest);
  assert.equal(record?.trace?.mediaType, traceType);
  const trace = String(await read(record?.trace?.digest ?? ''));
  const spans = trace
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { Name: string; Status: { Code: string } });
  assert.deepEqual(
    spans.map(({ Name, Status }) => [Name, Status.Code]),
    [
      ['build ref-1', 'Error'],
      ['RUN one', 'Unset'],
      ['RUN two', 'Error'],
    ],
  );
  assert.equal(await later.history.document(`sha256:${'0'.repeat(64)}`), undefined);
});

test('damaged and half written records are passed by', async (t) => {
  const folder = await historyFolder(t);
  const jobs = open(folder);
  for (const ref of ['good', 'cut', 'meta', 'body', 'other']) {
    const job = jobs.begin({ ...empty, ref });
    await job.step({ name: 'RUN' }, async (output) => output.log(1, Buffer.from(ref.repeat(3000))));
    jobs.end(job);
  }
  await jobs.history.settled();
  const path = (ref: string): string => join(folder, `${hash('sha256', ref, 'hex')}.build`);
  await truncate(path('cut'), 90);
  const flip = async (ref: string, at: number): Promise<void> => {
    const bytes = await readFile(path(ref));
    const place = at < 0 ? bytes.length + at : at;
    bytes[place] = (bytes[place] ?? 0) ^ 0x55;
    await writeFile(path(ref), bytes);
  };
  await flip('meta', 120);
  await flip('body', -20);
  await writeFile(path('other'), await readFile(path('good')));
  await writeFile(join(folder, 'x.part'), 'half');
  await writeFile(join(folder, 'ab.build'), 'gantry-build-history 7 1 x\n');
  const later = open(folder);
  assert.deepEqual(new Set(await refsOf(later)), new Set(['good', 'body']));
  assert.equal((await eventsOf(later, 'good')).length, 3);
  await assert.rejects(eventsOf(later, 'body'), /the record .* of a build/);
  await assert.rejects(eventsOf(later, 'meta'), /it is damaged/);
  assert.ok(!(await readdir(folder)).includes('x.part'));
});

test('filters choose builds by what they are and when they were', async (t) => {
  const jobs = open(await historyFolder(t));
  const good = over(jobs, 'good-1', (job) => {
    job.record.attributes = new Map([['vcs:source', 'https://git.example/one']]);
  });
  const bad = over(jobs, 'bad-1', (job) => (job.error = { code: 2, message: 'exit code: 1' }));
  const left = over(jobs, 'left-1', (job) => (job.error = { code: 1, message: 'context canceled' }));
  const running = jobs.begin({ ...empty, ref: 'running-1' });
  const all = [good, bad, left, running];
  const now = Date.now() + 60_000;
  const chosen = (...filters: string[]): string[] =>
    all
      .map(recordOf)
      .filter(historyFilter(filters, now))
      .map(({ ref }) => ref.split('-')[0] ?? '');
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
  await jobs.history.settled();
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
