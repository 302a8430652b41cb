import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flights } from './flights.ts';

const never = new AbortController().signal;

test('who wants what is being made waits for it; when it fails the next one makes it', async () => {
  const flights = new Flights();
  const made: string[] = [];
  let result: string | undefined;
  const look = () => Promise.resolve(result);
  const first = Promise.withResolvers<void>();
  const run = (name: string, work: Promise<void>) =>
    flights.share('key', never, look, async () => {
      made.push(name);
      await work;
      result = `by ${name}`;
      return result;
    });
  const failing = run('one', first.promise);
  const second = run('two', Promise.resolve());
  const third = run('three', Promise.resolve());
  first.reject(new Error('broken'));
  await assert.rejects(failing, /broken/);
  assert.deepEqual(await Promise.all([second, third]), ['by two', 'by two']);
  assert.deepEqual(made, ['one', 'two']);
});

test('other keys do not wait, and who gives up waits no longer', async () => {
  const flights = new Flights();
  const nothing = () => Promise.resolve(undefined);
  const work = Promise.withResolvers<string>();
  const making = flights.share('a', never, nothing, () => work.promise);
  assert.equal(await flights.share('b', never, nothing, () => Promise.resolve('b')), 'b');
  const abort = new AbortController();
  const waiting = flights.share('a', abort.signal, nothing, () => Promise.resolve('again'));
  abort.abort();
  await assert.rejects(waiting);
  work.resolve('a');
  assert.equal(await making, 'a');
});
