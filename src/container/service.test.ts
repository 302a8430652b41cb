import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EngineError } from '../base/errors.ts';
import { LaunchError } from '../spec/contract/launch.ts';
import { createRequest, fakePorts } from './_fakes.ts';
import { createContainerService } from './service.ts';

const never = new AbortController().signal;

async function setUp() {
  const fakes = fakePorts();
  const service = createContainerService(fakes.ports);
  await service.recover();
  return { ...fakes, service, api: service.containers };
}

const actions = (events: readonly { action: string }[]): string[] => events.map((event) => event.action);
const rejectsWith = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof EngineError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

describe('the life of a container', () => {
  it('is created, runs, ends and is removed, with its events in order', async () => {
    const { api, events, runs, mounted, open, prepared, records, service } = await setUp();
    const { id } = await api.create(createRequest({ name: 'one' }));
    const wait = await api.wait(id, 'next-exit', never);
    await api.start('one');
    assert.equal((await api.inspect(id, { size: false })).State.Status, 'running');
    runs[0]?.end(3);
    assert.deepEqual(await wait.result, { statusCode: 3 });
    const { State } = await api.inspect(id, { size: false });
    assert.equal(State.Status, 'exited');
    assert.equal(State.ExitCode, 3);
    await api.remove('one', { force: false, volumes: false, link: false });
    await service.close();
    assert.deepEqual(actions(events), ['create', 'start', 'die', 'destroy']);
    assert.deepEqual([mounted.size, open.size, prepared.size, records.size], [0, 0, 0, 0]);
  });

  it('answers a wait for the removal of a container with --rm', async () => {
    const { api, runs } = await setUp();
    const { id } = await api.create(createRequest({ host: { AutoRemove: true } }));
    const wait = await api.wait(id, 'removed', never);
    await api.start(id);
    runs[0]?.end(5);
    assert.deepEqual(await wait.result, { statusCode: 5 });
    await assert.rejects(api.inspect(id, { size: false }), rejectsWith('not-found', /No such container/));
  });

  it('leaves nothing when the launch fails, and keeps the reason', async () => {
    const { api, failures, mounted, open } = await setUp();
    const { id } = await api.create(createRequest({}));
    const ends: string[] = [];
    (await api.attach(id)).stdio.add({ write: () => undefined, end: () => ends.push('ended') });
    failures.create = new LaunchError(127, 'exec: "x": executable file not found in $PATH');
    await assert.rejects(api.start(id), rejectsWith('invalid', /executable file not found/));
    const { State } = await api.inspect(id, { size: false });
    assert.equal(State.Status, 'created');
    assert.equal(State.ExitCode, 127);
    assert.match(State.Error, /not found/);
    assert.deepEqual([mounted.size, open.size, ends.length], [0, 0, 1]);
  });

  it('removes a container with --rm whose start fails', async () => {
    const { api, failures } = await setUp();
    const { id } = await api.create(createRequest({ host: { AutoRemove: true } }));
    const wait = await api.wait(id, 'removed', never);
    failures.open = new EngineError('conflict', 'port is already allocated');
    await assert.rejects(api.start(id), rejectsWith('conflict', /already allocated/));
    assert.equal((await wait.result).statusCode, 128);
  });

  it('refuses a second start, a taken name, and the removal of a running container', async () => {
    const { api } = await setUp();
    await api.create(createRequest({ name: 'one' }));
    await assert.rejects(api.create(createRequest({ name: 'one' })), rejectsWith('conflict', /already in use/));
    await api.start('one');
    await assert.rejects(api.start('one'), rejectsWith('not-modified', /already running/));
    const wishes = { force: false, volumes: false, link: false };
    await assert.rejects(api.remove('one', wishes), rejectsWith('conflict', /container is running/));
  });

  it('gives early sinks to the process before it starts', async () => {
    const { api, runs } = await setUp();
    const { id } = await api.create(createRequest({}));
    const sink = { write: () => undefined, end: () => undefined };
    (await api.attach(id)).stdio.add(sink);
    await api.start(id);
    assert.ok(runs[0]?.sinks.has(sink));
  });
});

describe('stopping', () => {
  it('sends the stop signal, then SIGKILL, and does not restart', async () => {
    const { api, signals } = await setUp();
    const { id } = await api.create(
      createRequest({ host: { RestartPolicy: { Name: 'always', MaximumRetryCount: 0 } } }),
    );
    await api.start(id);
    await api.stop(id, { timeoutSeconds: 0 });
    assert.deepEqual(signals, [15, 9]);
    const { State } = await api.inspect(id, { size: false });
    assert.equal(State.Status, 'exited');
    assert.equal(State.ExitCode, 137);
    await assert.rejects(api.stop(id, {}), rejectsWith('not-modified', /already stopped/));
  });

  it('kills and removes by force', async () => {
    const { api, service } = await setUp();
    const { id } = await api.create(createRequest({}));
    await api.start(id);
    await api.remove(id, { force: true, volumes: true, link: false });
    assert.deepEqual(await api.list({ all: true, size: false, filters: new Map() }), []);
    await service.close();
  });
});

describe('restart policies', () => {
  it('bring a failed container back until the count is used up', async () => {
    const { api, runs } = await setUp();
    const policy = { Name: 'on-failure', MaximumRetryCount: 1 } as const;
    const { id } = await api.create(createRequest({ host: { RestartPolicy: policy } }));
    const wait = await api.wait(id, 'not-running', never);
    assert.deepEqual(await wait.result, { statusCode: 0 }, 'a created container is not running');
    await api.start(id);
    const end = await api.wait(id, 'not-running', never);
    runs[0]?.end(1);
    while (runs.length < 2) await new Promise((resolve) => setImmediate(resolve));
    runs[1]?.end(2);
    assert.deepEqual(await end.result, { statusCode: 2 });
    assert.equal((await api.inspect(id, { size: false })).RestartCount, 1);
  });
});

describe('recovery', () => {
  it('finds running containers again and settles what ended', async () => {
    const first = await setUp();
    const { id } = await first.api.create(createRequest({ name: 'one' }));
    await first.api.start(id);
    const again = createContainerService(first.ports);
    await again.recover();
    assert.equal((await again.containers.inspect(id, { size: false })).State.Status, 'running');
    const wait = await again.containers.wait('one', 'not-running', never);
    first.runs.at(-1)?.end(9);
    assert.deepEqual(await wait.result, { statusCode: 9 });
  });
});
