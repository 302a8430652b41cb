import assert from 'node:assert/strict';
import { describe as group, test } from 'node:test';
import { type Clock, systemClock } from '../base/clock.ts';
import { digestOfHex } from '../base/ids.ts';
import { silentLogger } from '../base/log.ts';
import type { StateJournal } from '../spec/contract/state.ts';
import { parseReference, type Reference } from '../spec/reference/reference.ts';
import { memoryJournal } from './_fixture.ts';
import { BlobSources } from './blob-sources.ts';
import { UnfinishedUploads } from './unfinished-uploads.ts';

const digest = (letter: string) => digestOfHex(letter.repeat(64));
const app: Reference = parseReference('127.0.0.1:5000/app');
const second = 1_000_000_000n;

/** A clock that goes on by a second each time that it is looked at. */
function ticking(): Clock & { skip(seconds: bigint): void } {
  let ns = 0n;
  return { ...systemClock, nowNs: () => (ns += second), skip: (seconds) => void (ns += seconds * second) };
}

group('unfinished uploads', () => {
  const opened = async (journal: StateJournal, clock: Clock, limits = { maxAgeMs: 100_000, most: 3 }) => {
    const uploads = new UnfinishedUploads(journal, clock, limits);
    await uploads.load(silentLogger);
    return uploads;
  };
  /** Where the upload is, without going on with it. */
  const where = (uploads: UnfinishedUploads, letter: string): string | undefined => {
    const note = uploads.take(app, digest(letter));
    note.release();
    return note.location;
  };

  test('are there after a restart, until they are over', async () => {
    const [{ journal }, clock] = [memoryJournal(), ticking()];
    const note = (await opened(journal, clock)).take(app, digest('a'));
    assert.equal(note.location, undefined);
    await note.keep('http://r/up?1');
    await note.keep('http://r/up?2');
    const again = await opened(journal, clock);
    assert.equal(where(again, 'a'), 'http://r/up?2');
    assert.equal(where(again, 'b'), undefined);
    assert.equal(again.take(parseReference('127.0.0.1:5000/other'), digest('a')).location, undefined);
    await again.take(app, digest('a')).keep(undefined);
    assert.deepEqual(await journal.load('image-upload'), []);
  });

  test('are carried on by one push at a time', async () => {
    const uploads = await opened(memoryJournal().journal, ticking());
    const first = uploads.take(app, digest('a'));
    await first.keep('http://r/first');
    const other = uploads.take(app, digest('a'));
    assert.equal(other.location, undefined);
    await other.keep('http://r/other');
    other.release();
    assert.equal(uploads.take(app, digest('a')).location, undefined, 'the first one still has it');
    first.release();
    assert.equal(where(uploads, 'a'), 'http://r/first');
  });

  test('are forgotten when they are old, or many, or nonsense', async () => {
    const [{ journal }, clock] = [memoryJournal(), ticking()];
    const uploads = await opened(journal, clock);
    for (const letter of 'abcd') await uploads.take(app, digest(letter)).keep(`http://r/${letter}`);
    await uploads.take(app, digest('e')).keep(`http://r/${'x'.repeat(9000)}`);
    const value = { version: 1, location: 7, sinceNs: '5' };
    await journal.commit({ records: [{ op: 'put', kind: 'image-upload', id: 'nonsense', value }] });
    const again = await opened(journal, clock);
    assert.deepEqual(
      'abcde'.split('').map((letter) => where(again, letter)),
      [undefined, 'http://r/b', 'http://r/c', 'http://r/d', undefined],
    );
    assert.equal((await journal.load('image-upload')).length, 3);
    clock.skip(200n);
    await opened(journal, clock);
    assert.deepEqual(await journal.load('image-upload'), []);
  });
});

group('sources of blobs', () => {
  const opened = async (journal: StateJournal, clock: Clock, limits = { blobs: 3, repositories: 2 }) => {
    const sources = new BlobSources(journal, clock, silentLogger, limits);
    await sources.load();
    return sources;
  };
  const named = (path: string): Reference => parseReference(`127.0.0.1:5000/${path}`);

  test('are repositories of the same registry, but not the one that is pushed to', async () => {
    const [{ journal }, clock] = [memoryJournal(), ticking()];
    const first = await opened(journal, clock);
    first.note(parseReference('127.0.0.1:5000/team/app:tag'), [digest('a'), digest('b')]);
    first.note(parseReference('busybox'), [digest('c')]);
    const sources = await opened(journal, clock);
    assert.equal(sources.find(named('other'), digest('a')), 'team/app');
    assert.equal(sources.find(named('team/app'), digest('a')), undefined);
    assert.equal(sources.find(named('other'), digest('c')), undefined);
    assert.equal(sources.find(parseReference('127.0.0.1:5001/other'), digest('a')), undefined);
    assert.equal(sources.find(parseReference('me/mine'), digest('c')), 'library/busybox');
  });

  test('are forgotten when they are wrong, and when there are many', async () => {
    const [{ journal }, clock] = [memoryJournal(), ticking()];
    const sources = await opened(journal, clock);
    for (const path of ['one', 'two', 'three']) sources.note(named(path), [digest('a')]);
    assert.equal(sources.find(named('x'), digest('a')), 'three');
    sources.forget(named('three'), digest('a'));
    assert.equal(sources.find(named('x'), digest('a')), 'two', 'of three the last two were kept');
    sources.forget(named('two'), digest('a'));
    sources.forget(named('two'), digest('a'));
    assert.equal(sources.find(named('x'), digest('a')), undefined);
    sources.note(named('many'), 'abcdef'.split('').map(digest));
    const again = await opened(journal, clock);
    assert.deepEqual(
      'abcdef'.split('').filter((letter) => again.find(named('x'), digest(letter)) !== undefined),
      ['d', 'e', 'f'],
    );
    assert.equal((await journal.load('blob-source')).length, 3);
  });

  test('that cannot be read are dropped', async () => {
    const { journal } = memoryJournal();
    const record = { op: 'put', kind: 'blob-source' } as const;
    await journal.commit({
      records: [
        { ...record, id: 'nonsense', value: { version: 1, repositories: [], notedNs: '1' } },
        { ...record, id: digest('a'), value: { version: 1, repositories: 'x', notedNs: '1' } },
      ],
    });
    await opened(journal, ticking());
    assert.deepEqual(await journal.load('blob-source'), []);
  });
});
