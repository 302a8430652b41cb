import assert from 'node:assert/strict';
import test from 'node:test';
import { namedType } from './accept.ts';

test('the type that is named and wanted most', () => {
  const offers = ['application/jsonl', 'application/x-ndjson', 'application/json-seq'];
  const cases: [string | undefined, string | undefined][] = [
    [undefined, undefined],
    ['', undefined],
    ['*/*', undefined],
    ['application/*', undefined],
    ['application/json', undefined],
    ['application/json-seq', 'application/json-seq'],
    ['application/json-seq, application/jsonl', 'application/jsonl'],
    ['application/jsonl;q=0.5, application/json-seq', 'application/json-seq'],
    ['application/jsonl;q=0, */*', undefined],
    ['text/html , APPLICATION/X-NDJSON; charset=utf-8', 'application/x-ndjson'],
    ['application/jsonl;q=nonsense', undefined],
  ];
  for (const [accept, expected] of cases) assert.equal(namedType(accept, offers), expected, String(accept));
});
