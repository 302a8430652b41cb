import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startEngine, type TestEngine } from './engine.ts';
import { compareStock, takeStock } from './leaks.ts';
import { ended, must } from './run.ts';
import { needsRoot } from './skip.ts';
import { eventually } from './wait.ts';

const fake = { program: [process.execPath, join(import.meta.dirname, '_fake-engine.ts')] };

describe('the engine fixture', { skip: needsRoot() }, () => {
  test('starts an engine, kills it, starts it again', async () => {
    await using engine = await startEngine(fake);
    const first = engine.pid;
    assert.equal((await engine.api('GET', '/_ping')).text, 'OK');
    await engine.stop('SIGKILL');
    await assert.rejects(engine.api('GET', '/_ping'));
    // What a killed engine leaves: its socket. The next one replaces it.
    await must('rm', [engine.paths.socket]);
    await engine.start();
    assert.notEqual(engine.pid, first);
  });

  test('an engine that ends at once is reported with what it said', async () => {
    const dying = { program: [process.execPath, '-e', 'console.error("no such luck"); process.exit(3)', '--'] };
    await assert.rejects(startEngine(dying), /ended at its start:\nno such luck/);
  });

  test('leaves no process, folder or namespace', async () => {
    const engine = await startEngine(fake);
    const { pid, folder, namespaces } = engine;
    await engine[Symbol.asyncDispose]();
    for (const path of [folder, `/proc/${pid}`, `/proc/${namespaces.pid}`]) await assert.rejects(stat(path));
  });
});

describe('the leak check finds', { skip: needsRoot() }, () => {
  let engine: TestEngine;
  before(async () => {
    engine = await startEngine(fake);
  });
  after(() => engine[Symbol.asyncDispose]());

  /** Plants something, expects the leak to be named, takes it away, expects none. */
  async function finds(plant: () => Promise<() => Promise<void>>, says: RegExp): Promise<void> {
    const start = await takeStock(engine.leakScope());
    const remove = await plant();
    const planted = await takeStock(engine.leakScope());
    const found = compareStock(start, planted);
    await remove();
    assert.match(found.join('\n'), says);

    assert.deepEqual(compareStock(start, await takeStock(engine.leakScope())), []);
  }
  const inside = (...command: string[]) => engine.inside(command);

  test('nothing where nothing is', async () => {
    const start = await takeStock(engine.leakScope());
    assert.ok(start.length > 0);
    assert.deepEqual(compareStock(start, await takeStock(engine.leakScope())), []);
  });

  test('a mount', () =>
    finds(async () => {
      await inside('mount', '-t', 'tmpfs', 'none', engine.paths.execRoot);
      return async () => void (await inside('umount', engine.paths.execRoot));
    }, /^left behind: mount \S+run \(tmpfs\)$/m));

  test('an interface', () =>
    finds(async () => {
      await inside('ip', 'link', 'add', 'leak0', 'type', 'veth', 'peer', 'name', 'leak1');
      return async () => void (await inside('ip', 'link', 'delete', 'leak0'));
    }, /^left behind: link leak0$/m));

  test('a firewall table', () =>
    finds(async () => {
      await inside('nft', 'add table inet leak; add chain inet leak c; add rule inet leak c accept');
      return async () => void (await inside('nft', 'delete table inet leak'));
    }, /^left behind: nft table inet leak: accept$/m));

  test('a cgroup', () =>
    finds(async () => {
      const path = join('/sys/fs/cgroup', await aCgroupTree(), engine.paths.cgroupParent);
      await mkdir(path, { recursive: true });
      return () => rmdir(path);
    }, /^left behind: cgroup \S+gantry-test-/m));

  test('a process and its network namespace', () =>
    finds(async () => {
      const child = spawn('unshare', ['--net', 'sh', '-c', 'echo; read -r end', engine.paths.dataRoot], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      await new Promise((resolve) => child.stdout.once('data', resolve));
      const end = ended(child);
      return async () => {
        child.stdin.end();
        await end;
      };
    }, /^left behind: network namespace of the instance\nleft behind: process sh -c/m));

  test('a file', () =>
    finds(async () => {
      const path = join(engine.paths.dataRoot, 'half-made');
      await writeFile(path, '');
      return async () => void (await must('rm', [path]));
    }, /^left behind: file \S+data\/half-made$/m));

  test('a descriptor of the engine', () =>
    finds(async () => {
      const { connect } = await import('node:net');
      const before = await takeStock(engine.leakScope());
      const socket = connect(engine.paths.socket);
      await eventually('the engine has accepted', async () => {
        return compareStock(before, await takeStock(engine.leakScope())).length > 0;
      });
      return async () => {
        socket.destroy();
        await eventually('the engine has closed', async () => {
          return compareStock(before, await takeStock(engine.leakScope())).length === 0;
        });
      };
    }, /^left behind: descriptor socket:$/m));
});

/** A cgroup tree in which folders may be made: v1's pids, or the one tree of v2. */
async function aCgroupTree(): Promise<string> {
  return stat('/sys/fs/cgroup/pids').then(
    () => 'pids',
    () => '',
  );
}
