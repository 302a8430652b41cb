import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyDecoder } from './http-body.ts';

function decode(text: string, { length, portion = text.length }: { length?: number; portion?: number } = {}) {
  const decoder = new BodyDecoder(length);
  const bytes = Buffer.from(text);
  let content = '';
  for (let at = 0; at < bytes.length; at += portion) {
    decoder.push(bytes.subarray(at, at + portion), (part) => (content += Buffer.from(part).toString()));
  }
  return { content, done: decoder.done };
}

test('a chunked body gives its content, in whatever portions it comes', () => {
  const body = '4\r\nwiki\r\nA;name="value"\r\n0123456789\r\n00\r\nTrailer: x\r\nOther:\ty\r\n\r\nGET / HTTP/1.1\r\n';
  for (const portion of [1, 2, 3, 7, 1000]) {
    assert.deepEqual(decode(body, { portion }), { content: 'wiki0123456789', done: true }, `in ${portion}s`);
  }
  assert.deepEqual(decode('0\r\n\r\n'), { content: '', done: true });
});

test('a body of a declared length ends there', () => {
  assert.deepEqual(decode('12345', { length: 4, portion: 3 }), { content: '1234', done: true });
  assert.deepEqual(decode('123', { length: 4 }), { content: '123', done: false });
  assert.deepEqual(decode('', { length: 0 }), { content: '', done: true });
});

test('a body that stops early is not done', () => {
  const body = '4\r\nwiki\r\n0\r\nA: b\r\n\r\n';
  for (let end = 0; end < body.length; end++) assert.equal(decode(body.slice(0, end)).done, false, `after ${end}`);
});

test('what is no chunked body is refused', () => {
  const wrong = [
    ['\r\n', /has no size/],
    [';a\r\n', /has no size/],
    [' 4\r\nwiki\r\n', /has no size/],
    ['-4\r\n', /has no size/],
    ['4 \r\nwiki', /no hexadecimal/],
    ['0x4\r\nwiki', /no hexadecimal/],
    ['4\nwiki\n', /no hexadecimal/],
    ['4\rwiki', /end where it should/],
    ['4\r\nwiki!\r\n', /end where it should/],
    ['4\r\nwiki\r!', /end where it should/],
    ['4\r\nwiki0\r\n', /end where it should/],
    ['ffffffffffffff\r\n', /too large/],
    [`00000000000001\r\n`, /too large/],
    ['4;\n\r\nwiki', /control character/],
    [`4;${'x'.repeat(20_000)}`, /too much/],
    [`0\r\n${'A: b\r\n'.repeat(5000)}`, /too much/],
    ['0\r\nA: b\n\r\n', /control character/],
    ['0\r\n\r!', /end where it should/],
  ] as const;
  for (const [body, message] of wrong) {
    assert.throws(() => decode(body, { portion: 5 }), { code: 'invalid', message }, JSON.stringify(body.slice(0, 20)));
  }
});
