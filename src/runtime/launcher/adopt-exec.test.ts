import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { newContainerId, newExecId } from '../../base/ids.ts';
import { adoptExecs } from './adopt-exec.ts';
import type { LauncherContext, LiveContainer } from './context.ts';

const id = newContainerId();
let directory = '';

beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), 'adopt-exec-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** What a monitor and an engine that died left of an exec. */
function leave(name: string, files: Record<string, string>): string {
  const path = join(directory, name);
  mkdirSync(path);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

/** Adoption reads nothing of the launcher but the container's cgroup. */
const contextWith = (cgroup: string | undefined): LauncherContext =>
  ({ live: new Map([[id, { cgroup } as LiveContainer]]) }) as unknown as LauncherContext;

const adopt = (cgroup?: string): ReturnType<typeof adoptExecs> => adoptExecs(contextWith(cgroup), id, directory);

describe('adopting the execs of an engine that died', () => {
  it('finds none where there is no directory', async () => {
    assert.deepEqual(await adoptExecs(contextWith(undefined), id, join(directory, 'gone')), []);
  });

  it('gives the recorded code, time and memo of one that ended meanwhile, and removes its files', async () => {
    const execId = newExecId();
    const note = JSON.stringify({ execId, tty: false, memo: { user: 'x' } });
    const path = leave('exec-1', { 'exec.json': note, [id]: '7', pidfile: '1' });
    utimesSync(join(path, id), 1000, 1000);
    const found = { code: 7, oomKilled: false, finishedNs: 1000n * 1_000_000_000n };
    assert.deepEqual(await adopt(), [{ execId, memo: { user: 'x' }, found }]);
    assert.equal(existsSync(path), false);
  });

  for (const [what, text] of [
    ['no JSON', '{"execId":'],
    ['null', 'null'],
    ['an id that is a path', JSON.stringify({ execId: '../../etc', tty: false })],
    ['an id that is no text', JSON.stringify({ execId: 5, tty: false })],
  ] as const) {
    it(`drops one whose note is ${what}`, async () => {
      const path = leave('exec-1', { 'exec.json': text, [id]: '0' });
      assert.deepEqual(await adopt(), []);
      assert.equal(existsSync(path), false);
    });
  }

  it('does not take a process of another cgroup for the exec: its pid was given away', async () => {
    const execId = newExecId();
    const path = leave('exec-1', { 'exec.json': JSON.stringify({ execId, tty: true }), pidfile: String(process.pid) });
    const [adopted] = await adopt('/no-such-cgroup');
    assert.equal(adopted?.execId, execId);
    assert.ok(adopted !== undefined && 'code' in adopted.found);
    assert.equal(adopted.found.code, 255);
    assert.equal(existsSync(path), false);
  });

  it('leaves what is no exec alone', async () => {
    const path = leave('other', { 'exec.json': '{}' });
    assert.deepEqual(await adopt(), []);
    assert.equal(existsSync(path), true);
  });
});
