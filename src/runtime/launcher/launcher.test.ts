import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { LaunchError, type StdioSink } from '../../spec/contract/launch.ts';
import { newExecId } from '../../base/ids.ts';
import { childCgroups } from '../../sys/cgroup/cgroup.ts';
import { readCgroupLayout } from '../../sys/cgroup/layout.ts';
import { collect, type Fixture, hostConfig, launcherFixture, processOf, skipReason } from './_fixture.ts';

const skip = skipReason(['crun']);
let shared: Promise<Fixture> | undefined;
const fixture = (): Promise<Fixture> => (shared ??= launcherFixture());
after(async () => (await shared)?.close());

for (const runtime of ['crun', 'runc']) {
  const skip = skipReason([runtime]);
  test(`${runtime}: a container runs, its output, exit code and log are kept, and nothing is left`, {
    skip,
  }, async () => {
    const { launcher, request, state } = await fixture();
    const wanted = request(runtime, processOf(['sh', '-c', 'echo out; echo err >&2; exit 7']));
    const container = await launcher.create(wanted);
    const output = collect();
    container.stdio.add(output);
    await launcher.start(wanted.id, wanted.directory);
    const exit = await container.exited;
    assert.equal(exit.code, 7);
    assert.equal(exit.oomKilled, false);
    await output.ended;
    assert.equal(output.text(1), 'out\n');
    assert.equal(output.text(2), 'err\n');
    assert.match(readFileSync(wanted.logPath ?? '', 'utf8'), /^\S+ stdout F out$/m);
    assert.match(readFileSync(wanted.logPath ?? '', 'utf8'), /^\S+ stderr F err$/m);
    await launcher.delete(wanted.id, wanted.directory, runtime);
    assert.deepEqual(readdirSync(`${state}/runtime-${runtime}`), []);
    assert.deepEqual(readdirSync(`${state}/exits`), []);
    const cgroups = await childCgroups(await readCgroupLayout(), (await fixture()).cgroupParent);
    assert.equal(cgroups.includes(wanted.id), false);
  });

  test(`${runtime}: a command that cannot run is told in Docker's words, and leaves nothing`, { skip }, async () => {
    const { launcher, request, state } = await fixture();
    for (const [command, code, words] of [
      ['nosuch', 127, 'exec: "nosuch": executable file not found in $PATH'],
      ['/no/such', 127, 'exec: "/no/such": stat /no/such: no such file or directory'],
      ['/etc', 126, 'exec: "/etc": permission denied'],
    ] as const) {
      const wanted = request(runtime, processOf([command]));
      const failure = await launcher.create(wanted).then(
        () => assert.fail('it was created'),
        (error: unknown) => error,
      );
      assert.ok(failure instanceof LaunchError);
      assert.equal(failure.exitCode, code);
      assert.ok(failure.message.includes(words), failure.message);
    }
    assert.deepEqual(readdirSync(`${state}/runtime-${runtime}`), []);
  });

  test(`${runtime}: exec runs beside the container, with stdin, exit code and failures`, { skip }, async () => {
    const { launcher, request } = await fixture();
    const wanted = request(runtime, processOf(['sleep', '1000']));
    await launcher.create(wanted);
    await launcher.start(wanted.id, wanted.directory);
    const exec = (process: ReturnType<typeof processOf>, sinks: StdioSink[]) =>
      launcher.exec({
        containerId: wanted.id,
        execId: newExecId(),
        process,
        hostConfig: hostConfig(),
        privileged: false,
        memo: null,
        sinks,
        directory: wanted.directory,
        runtime,
      });
    const output = collect();
    const cat = await exec(processOf(['sh', '-c', 'cat; exit 5'], { openStdin: true }), [output]);
    await cat.stdio.write(Buffer.alloc(100_000, 'x'));
    cat.stdio.closeStdin();
    assert.equal((await cat.exited).code, 5);
    await output.ended;
    assert.equal(output.text(1).length, 100_000);
    await assert.rejects(exec(processOf(['nosuch']), []), { name: 'EngineError', exitCode: 127 });
    assert.equal(
      readdirSync(wanted.directory).some((name) => name.startsWith('exec-')),
      false,
    );
    assert.equal(await launcher.signal(wanted.id, wanted.directory, 9), true);
    await launcher.delete(wanted.id, wanted.directory, runtime);
    assert.equal(await launcher.signal(wanted.id, wanted.directory, 9), false);
  });
}

test('a terminal has its size, and stdin reaches the container', { skip }, async () => {
  const { launcher, request } = await fixture();
  const script = 'stty size; read line; echo "got $line"; read line; stty size';
  const wanted = request(
    'crun',
    processOf(['sh', '-c', script], { tty: true, openStdin: true, consoleSize: [30, 90] }),
  );
  const container = await launcher.create(wanted);
  const output = collect();
  container.stdio.add(output);
  await launcher.start(wanted.id, wanted.directory);
  await container.stdio.write(Buffer.from('hello\n'));
  await output.until('got hello');
  await container.stdio.resize(44, 123);
  await container.stdio.write(Buffer.from('\n'));
  await container.exited;
  assert.match(output.text(1), /30 90[^]*got hello[^]*44 123/);
  await launcher.delete(wanted.id, wanted.directory, 'crun');
});

test('another engine adopts a running container, and one that ended meanwhile', { skip }, async () => {
  const { launcher, request, another } = await fixture();
  const running = request('crun', processOf(['sh', '-c', 'read line; echo "read $line"; exit 4'], { openStdin: true }));
  const ended = request('crun', processOf(['sh', '-c', 'exit 6']));
  const [first, second] = [await launcher.create(running), await launcher.create(ended)];
  await launcher.start(running.id, running.directory);
  await launcher.start(ended.id, ended.directory);
  await second.exited;
  const next = await another();
  const adoption = (request: typeof running, container: typeof first) => ({
    id: request.id,
    directory: request.directory,
    pid: container.pid,
    pidStart: container.pidStart,
    tty: false,
    stdinOnce: false,
    openStdin: true,
    runtime: 'crun',
  });
  const adopted = await next.adopt(adoption(running, first));
  const output = collect();
  adopted.stdio.add(output);
  await adopted.stdio.write(Buffer.from('again\n'));
  assert.equal((await adopted.exited).code, 4);
  await output.ended;
  assert.equal(output.text(1), 'read again\n');
  assert.equal((await (await next.adopt(adoption(ended, second))).exited).code, 6);
  for (const { id, directory } of [running, ended]) await next.delete(id, directory, 'crun');
});

test('a container that loses its monitor is ended', { skip }, async () => {
  const { launcher, request } = await fixture();
  const wanted = request('crun', processOf(['sleep', '1000']));
  const container = await launcher.create(wanted);
  await launcher.start(wanted.id, wanted.directory);
  const { pid } = JSON.parse(readFileSync(`${wanted.directory}/monitor`, 'utf8')) as { pid: number };
  process.kill(pid, 'SIGKILL');
  assert.equal((await container.exited).code, 137);
  assert.equal(await launcher.signal(wanted.id, wanted.directory, 9), false);
  await launcher.delete(wanted.id, wanted.directory, 'crun');
});

test('a container that is killed for want of memory says so', { skip }, async () => {
  const { launcher, request } = await fixture();
  const wanted = request('crun', processOf(['sh', '-c', 'x=x; while :; do x=$x$x$x$x; done']), {
    Memory: 8 << 20,
    MemorySwap: 8 << 20,
  });
  const container = await launcher.create(wanted);
  await launcher.start(wanted.id, wanted.directory);
  const exit = await container.exited;
  assert.equal(exit.oomKilled, true);
  assert.equal(exit.code, 137);
  await launcher.delete(wanted.id, wanted.directory, 'crun');
});

test('a client that stands still does not hold up the others for ever, nor the container', { skip }, async () => {
  const { launcher, request } = await fixture();
  const wanted = request('crun', processOf(['sh', '-c', 'head -c 1000000 /dev/zero | tr "\\0" x']));
  const container = await launcher.create(wanted);
  let release: () => void = () => undefined;
  const stalled = new Promise<void>((resolve) => {
    release = resolve;
  });
  let asked = 0;
  container.stdio.add({
    write: () => undefined,
    pace: () => (asked++ === 0 ? stalled : undefined),
    end: () => undefined,
  });
  container.stdio.add({
    write: () => {
      throw new Error('a broken client');
    },
    end: () => undefined,
  });
  const output = collect();
  container.stdio.add(output);
  await launcher.start(wanted.id, wanted.directory);
  await output.until('x');
  assert.ok(output.text(1).length < 1_000_000);
  release();
  assert.equal((await container.exited).code, 0);
  await output.ended;
  assert.equal(output.text(1).length, 1_000_000);
  await launcher.delete(wanted.id, wanted.directory, 'crun');
});

test('what an engine that was killed had created does not stand in the way', { skip }, async () => {
  const { launcher, request, another } = await fixture();
  const wanted = request('crun', processOf(['sleep', '1000']));
  const lost = await launcher.create(wanted);
  await launcher.start(wanted.id, wanted.directory);
  const next = await another();
  const container = await next.create({ ...wanted, process: processOf(['true']) });
  assert.equal((await lost.exited).code, 137);
  await next.start(wanted.id, wanted.directory);
  assert.equal((await container.exited).code, 0);
  await next.delete(wanted.id, wanted.directory, 'crun');
});

test('the sweep ends and removes unknown containers only', { skip }, async () => {
  const { launcher, request, another, state } = await fixture();
  const [kept, lost] = [request('crun', processOf(['sleep', '1000'])), request('crun', processOf(['sleep', '1000']))];
  const [keptContainer, lostContainer] = [await launcher.create(kept), await launcher.create(lost)];
  await launcher.start(kept.id, kept.directory);
  const next = await another();
  // What a monitor leaves that is ended while it writes its container's exit, and what one has that is at it.
  const written = (id: string) => `${state}/exits/${id}.DNX2Y3`;
  for (const { id } of [kept, lost]) writeFileSync(written(id), '0');
  await next.sweep(new Set([kept.id]));
  assert.deepEqual(
    [kept, lost].map(({ id }) => existsSync(written(id))),
    [true, false],
  );
  rmSync(written(kept.id));
  assert.equal(existsSync(`${state}/runtime-crun/${lost.id}`), false);
  await lostContainer.exited;
  assert.equal(existsSync(`/proc/${keptContainer.pid}`), true);
  for (const { id, directory } of [kept, lost]) await launcher.delete(id, directory, 'crun');
});
