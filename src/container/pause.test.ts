import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRequest, fakePorts } from './_fakes.ts';
import type { ContainerContext } from './context.ts';
import { createContainerService } from './service.ts';
import { whileFrozen } from './pause.ts';
import { ContainerTable } from './table.ts';
import { CheckCounts } from './health/counts.ts';
import { ContainerEntry } from './entry.ts';
import { decodeRecord } from './record.ts';

/** A running container, and a context of the same world around it. */
async function running() {
  const fakes = fakePorts();
  const service = createContainerService(fakes.ports);
  await service.recover();
  const { id } = await service.containers.create(createRequest({}));
  await service.containers.start(id);
  const [, stored] = [...fakes.records].find(([key]) => key.endsWith(id)) ?? [];
  const entry = new ContainerEntry(decodeRecord(stored));
  const ctx: ContainerContext = {
    ...fakes.ports,
    table: new ContainerTable(),
    background: new Set(),
    checks: new CheckCounts(),
    reservedIds: new Set(),
    strangers: new Set(),
    follow: () => undefined,
    watchHealth: () => undefined,
    closing: false,
  };
  return { ...fakes, service, ctx, entry };
}

describe('whileFrozen', () => {
  it('overlaps: the processes run on after the last, and not before an unpause', async () => {
    const { ctx, entry, frozen } = await running();
    const inner = Promise.withResolvers<void>();
    const first = whileFrozen(ctx, entry, () => inner.promise);
    assert.equal(await whileFrozen(ctx, entry, () => frozen.size), 1);
    assert.equal(frozen.size, 1);
    inner.resolve();
    await first;
    assert.equal(frozen.size, 0);
  });

  it('runs on after a failure, and hands it over', async () => {
    const { ctx, entry, frozen } = await running();
    await assert.rejects(
      whileFrozen(ctx, entry, () => Promise.reject(new Error('broken'))),
      /broken/,
    );
    assert.equal(frozen.size, 0);
  });

  it('leaves a paused container paused', async () => {
    const { ctx, entry, frozen } = await running();
    entry.record = {
      ...entry.record,
      state: { ...entry.record.state, phase: 'running', pid: 1, pidStart: 1, paused: true },
    };
    frozen.add(entry.id);
    await whileFrozen(ctx, entry, () => undefined);
    assert.equal(frozen.size, 1);
  });

  it('freezes nothing of a container that does not run', async () => {
    const { ctx, entry, frozen } = await running();
    entry.record = { ...entry.record, state: { ...entry.record.state, phase: 'exited' } };
    assert.equal(await whileFrozen(ctx, entry, () => frozen.size), 0);
  });
});

describe('recovery', () => {
  it('lets run on what was frozen without a word, and keeps what is paused', async () => {
    const { service, frozen, ports, ctx } = await running();
    const [id] = (await service.containers.list({ all: true, size: false, filters: new Map() })).map((one) => one.Id);
    assert.ok(id !== undefined);
    frozen.add(ctx.table.list()[0]?.id ?? (id as never));
    const again = createContainerService(ports);
    await again.recover();
    assert.equal(frozen.size, 0);
    await again.containers.pause(id);
    const third = createContainerService(ports);
    await third.recover();
    assert.equal((await third.containers.inspect(id, { size: false })).State.Status, 'paused');
    frozen.clear();
    const fourth = createContainerService(ports);
    await fourth.recover();
    assert.equal((await fourth.containers.inspect(id, { size: false })).State.Status, 'running');
  });
});
