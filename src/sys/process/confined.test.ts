import assert from 'node:assert/strict';
import { chown, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { codeOf } from '../../base/errors.ts';
import { readAll } from '../../base/stream.ts';
import { runConfined } from './confined.ts';

const skip = process.getuid?.() !== 0 && 'needs root';
const nobody = 65534;

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'gantry-confined-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  await chown(path, nobody, nobody);
  return path;
}

async function output(directory: string, script: string, signal = new AbortController().signal): Promise<string> {
  const run = runConfined({ program: 'sh', args: ['-c', script], directory, env: { GIVEN: 'yes' }, signal });
  return Buffer.from(await readAll(run, 1 << 20)).toString();
}

test('a confined program is nobody, sees its folder and what it was given, and writes nowhere else', {
  skip,
}, async (t) => {
  const path = await folder(t);
  const script =
    'id -u; id -g; id -G; env | grep -c GIVEN; echo made > made; grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status';
  const lines = (await output(path, script)).split('\n');
  assert.deepEqual(lines.slice(0, 4), ['65534', '65534', '65534', '1']);
  assert.match(lines[4] ?? '', /CapEff:\s+0+$/);
  assert.match(lines[5] ?? '', /NoNewPrivs:\s+1$/);
  assert.equal(await readFile(join(path, 'made'), 'utf8'), 'made\n');
  assert.equal((await stat(join(path, 'made'))).uid, nobody);
  // Even where everybody may write.
  assert.match(
    await output(path, 'touch /tmp/gantry-confined-escape 2>&1 || true'),
    /Read-only file system|Permission denied/,
  );
  assert.equal(await output(path, 'cat /proc/self/environ | tr "\\0" "\\n" | grep -c -e HOME= -e PATH='), '1\n');
});

test('what it complains is told; who stops reading ends it', { skip }, async (t) => {
  const path = await folder(t);
  await assert.rejects(output(path, 'echo broken >&2; exit 3'), (error: unknown) => {
    assert.equal(codeOf(error), 'internal');
    assert.match(String(error), /broken/);
    return true;
  });
  const abort = new AbortController();
  const run = runConfined({
    program: 'sh',
    args: ['-c', 'echo $$; sleep 1000 & wait'],
    directory: path,
    env: {},
    signal: abort.signal,
  });
  const first = await run.next();
  abort.abort();
  await assert.rejects(run.next(), (error: unknown) => codeOf(error) === 'cancelled');
  const pid = Number(Buffer.from(first.value ?? []).toString());
  assert.throws(() => process.kill(pid, 0), /ESRCH/);
});
