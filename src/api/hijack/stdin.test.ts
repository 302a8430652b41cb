import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import test from 'node:test';
import { pumpStdin } from './stdin.ts';

test('an end of input that came before the pump is passed on', async () => {
  const client = new PassThrough();
  client.resume().end();
  await once(client, 'end');
  let closed = 0;
  const target = { write: () => Promise.resolve(), closeStdin: () => void closed++ };
  assert.equal(await pumpStdin(client, target, undefined, new AbortController().signal), 'eof');
  assert.equal(closed, 1);
});
