import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { emptyContainerConfig, emptyHostConfig } from '../../spec/engine/empty-config.ts';
import type { PortMap } from '../../spec/engine/container.ts';
import type { ContainerRecord } from '../record.ts';
import { mergeEnvironment, mergeLabels } from './environment.ts';
import { planMounts, settingsWithMounts } from './mounts.ts';
import { planPorts } from './ports.ts';

const recordWith = (host: object, ports: PortMap = {}): ContainerRecord =>
  ({
    config: emptyContainerConfig(),
    hostConfig: { ...emptyHostConfig(), NetworkMode: 'bridge', ...host },
    mounts: [{ destination: '/data' }],
    sandbox: { ports },
  }) as unknown as ContainerRecord;
const on = (HostPort: string, HostIp = '') => ({ HostIp, HostPort });

describe('planPorts', () => {
  it('adds bindings, exposes their ports and takes nothing as any free port', () => {
    const plan = planPorts(recordWith({ PortBindings: { '80/tcp': [on('8080')] } }), {
      add: { '80': [on('8081')], '53/udp': null },
      remove: {},
    });
    assert.deepEqual({ ...plan?.portBindings }, { '80/tcp': [on('8080'), on('8081')], '53/udp': [on('')] });
    assert.deepEqual(Object.keys(plan?.exposedPorts ?? {}), ['80/tcp', '53/udp']);
  });

  it('takes away one binding, those of an address, or all; a chosen port is known by its number', () => {
    const bindings = { '80/tcp': [on('8080'), on('8081', '127.0.0.1'), on('9000-9010')] };
    const left = (remove: PortMap) =>
      planPorts(recordWith({ PortBindings: bindings }, { '80/tcp': [on('9003', '0.0.0.0')] }), { add: {}, remove })
        ?.portBindings['80/tcp'];
    assert.deepEqual(left({ '80/tcp': [on('8080')] }), [bindings['80/tcp'][1], bindings['80/tcp'][2]]);
    assert.deepEqual(left({ '80/tcp': [on('', '127.0.0.1')] }), [bindings['80/tcp'][0], bindings['80/tcp'][2]]);
    assert.deepEqual(left({ '80/tcp': [on('9003')] }), [bindings['80/tcp'][0], bindings['80/tcp'][1]]);
    assert.equal(left({ '80/tcp': null }), undefined);
    assert.throws(() => left({ '80/tcp': [on('9004')] }), /not published on :9004/);
    assert.throws(() => left({ '81/tcp': null }), /port 81\/tcp is not published/);
  });

  it('refuses where no port can be published', () => {
    for (const NetworkMode of ['host', 'none', 'container:x']) {
      const wanted = { add: { '80/tcp': null }, remove: {} };
      assert.throws(() => planPorts(recordWith({ NetworkMode }), wanted), /network mode/);
    }
    assert.equal(planPorts(recordWith({ NetworkMode: 'host' }), { add: {}, remove: {} }), undefined);
    const all = recordWith({ PublishAllPorts: true }, { '80/tcp': [on('30000')] });
    assert.throws(() => planPorts(all, { add: {}, remove: { '80/tcp': null } }), /--publish-all/);
  });
});

describe('mergeEnvironment and mergeLabels', () => {
  it('keep places, replace by name, append what is new, ignore what is not there', () => {
    assert.deepEqual(mergeEnvironment(['A=1', 'B', 'C=3'], ['C=4', 'D=5'], ['B', 'X']), ['A=1', 'C=4', 'D=5']);
    assert.deepEqual(
      { ...mergeLabels({ a: '1', b: '2' }, { a: '3', __proto__x: '' }, ['b', 'x']) },
      { a: '3', __proto__x: '' },
    );
  });
  it('refuse what is none, and contradictions', () => {
    for (const bad of ['', 'A', '=1', 'A=\0'])
      assert.throws(() => mergeEnvironment([], [bad], []), /invalid environment/);
    assert.throws(() => mergeEnvironment([], [], ['A=1']), /invalid name/);
    assert.throws(() => mergeEnvironment([], ['A=1'], ['A']), /both added and removed/);
    assert.throws(() => mergeLabels({}, { a: '' }, ['a']), /both added and removed/);
  });
});

describe('planMounts', () => {
  it('finds mounts by their targets, and takes them out of all settings', () => {
    const record = recordWith({
      Binds: ['/a:/data', '/b:/other'],
      Tmpfs: { '/data/': '' },
      Mounts: [{ Type: 'tmpfs', Target: '/stays' }],
    });
    const plan = planMounts(record, [{ Type: 'tmpfs', Target: '/data' }], ['/data/.']);
    assert.ok(plan !== undefined);
    const { hostConfig } = settingsWithMounts(record, plan);
    assert.deepEqual(hostConfig.Binds, ['/b:/other']);
    assert.deepEqual(hostConfig.Tmpfs, {});
    assert.deepEqual(
      hostConfig.Mounts?.map(({ Target }) => Target),
      ['/stays', '/data'],
    );
    assert.throws(() => planMounts(record, [{ Type: 'tmpfs', Target: '/data/' }], []), /Duplicate mount point: \/data/);
    assert.throws(() => planMounts(record, [], ['/none']), /no mount at \/none/);
  });
});
