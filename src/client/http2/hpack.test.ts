import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeHeaders, HeaderDecoder } from './_hpack.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('the examples of RFC 7541, appendix C.4 and C.6.1', () => {
  const requests = new HeaderDecoder();
  const first = [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
  ];
  assert.deepEqual(requests.decode(hex('8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff')), first);
  assert.deepEqual(requests.decode(hex('8286 84be 5886 a8eb 1064 9cbf')), [...first, ['cache-control', 'no-cache']]);
  assert.deepEqual(requests.decode(hex('8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf')), [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '/index.html'],
    [':authority', 'www.example.com'],
    ['custom-key', 'custom-value'],
  ]);
  const answer =
    '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3';
  assert.deepEqual(new HeaderDecoder().decode(hex(answer)), [
    [':status', '302'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['location', 'https://www.example.com'],
  ]);
});

test('what is encoded is decoded', () => {
  const text = fc.string({ unit: 'binary-ascii', maxLength: 400 });
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text)), (headers) => {
      assert.deepEqual(new HeaderDecoder().decode(encodeHeaders(headers)), headers);
    }),
  );
});

test('malformed blocks are refused, and nothing else happens', () => {
  for (const block of ['80', 'ff', 'ffffffffffffffff', '00', '000161', '00036162', '7f', '3fe1ff03', '0081ff8100']) {
    assert.throws(() => new HeaderDecoder().decode(hex(block)), /malformed/, block);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (block) => {
      try {
        new HeaderDecoder().decode(block);
      } catch (error) {
        assert.match(String(error), /malformed/);
      }
    }),
    { numRuns: 5000 },
  );
});
