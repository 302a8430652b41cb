import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { releaseCode } from './memory.ts';

/** Kilobytes of this program's code that are in its memory. */
function residentCode(): number {
  const parts = readFileSync('/proc/self/smaps', 'latin1').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const code = parts.filter((part) => part.split('\n', 1)[0]?.includes(' r-xp ') && part.includes(process.execPath));
  assert.ok(code.length > 0);
  return code.reduce((sum, part) => sum + Number(/^Rss: +(\d+) kB$/m.exec(part)?.[1]), 0);
}

test('code that has run goes, and comes back as it runs again', () => {
  const before = residentCode();
  releaseCode();
  const after = residentCode();
  assert.ok(after < before / 2, `${before} kB before, ${after} after`);
  assert.deepEqual(JSON.parse(JSON.stringify({ text: 'é'.normalize('NFD') })), { text: 'e\u0301' });
});
