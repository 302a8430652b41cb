import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerConfig } from '../../spec/engine/container.ts';
import { emptyContainerConfig } from '../../spec/engine/empty-config.ts';
import type { ImageRunConfig } from '../../spec/oci/image.ts';
import { processEnvironment } from './environment.ts';
import { mergeImageConfig } from './merge.ts';
import { chooseName } from './names.ts';
import { validateName } from './validate.ts';

const image: ImageRunConfig = {
  Entrypoint: ['/entry'],
  Cmd: ['serve'],
  Env: ['PATH=/image', 'A=image'],
  User: 'app',
  WorkingDir: '/srv',
  Labels: { from: 'image', both: 'image' },
  ExposedPorts: { '80/tcp': {} },
  Volumes: { '/data': {} },
  StopSignal: 'SIGQUIT',
  Healthcheck: { Test: ['CMD', 'true'], Interval: 5e9, Retries: 3 },
};
const merged = (wanted: Partial<ContainerConfig>, from: ImageRunConfig = image) =>
  mergeImageConfig({ ...emptyContainerConfig(), ...wanted }, from);

test('entrypoint and command', () => {
  const cases: [Partial<ContainerConfig>, string[] | null, string[] | null][] = [
    [{}, ['/entry'], ['serve']],
    [{ Cmd: ['x'] }, ['/entry'], ['x']],
    [{ Entrypoint: ['/own'] }, ['/own'], null],
    [{ Entrypoint: ['/own'], Cmd: ['x'] }, ['/own'], ['x']],
    [{ Entrypoint: [''], Cmd: ['x'] }, null, ['x']],
    [{ Entrypoint: [] }, [], ['serve']],
  ];
  for (const [wanted, entrypoint, command] of cases) {
    const { Entrypoint, Cmd } = merged(wanted);
    assert.deepEqual([Entrypoint, Cmd], [entrypoint, command], JSON.stringify(wanted));
  }
  assert.throws(() => merged({}, {}), { code: 'invalid', message: 'no command specified' });
  assert.throws(() => merged({ Entrypoint: [''] }), { message: 'no command specified' });
});

test('everything else: joined by name, or the request wins', () => {
  const config = merged({
    Env: ['A=own', 'B'],
    Labels: { both: 'own' },
    ExposedPorts: { '53/udp': {}, '80': {} },
    Volumes: { '/logs': {} },
    Healthcheck: { Retries: 9 },
  });
  assert.deepEqual(config.Env, ['A=own', 'B', 'PATH=/image']);
  assert.deepEqual({ ...config.Labels }, { from: 'image', both: 'own' });
  assert.deepEqual(Object.keys(config.ExposedPorts ?? {}).sort(), ['53/udp', '80/tcp']);
  assert.deepEqual(Object.keys(config.Volumes ?? {}), ['/logs', '/data']);
  assert.deepEqual(config.Healthcheck, { Test: ['CMD', 'true'], Interval: 5e9, Retries: 9 });
  assert.deepEqual([config.User, config.WorkingDir, config.StopSignal], ['app', '/srv', 'SIGQUIT']);
});

test('a label named __proto__ is a label', () => {
  const labels = merged({ Labels: JSON.parse('{"__proto__":"x"}') as Record<string, string> }).Labels;
  assert.deepEqual(Object.entries(labels).at(-1), ['__proto__', 'x']);
});

test('the environment: defaults, the container, the exec; a bare name takes a variable away', () => {
  const base = { hostname: 'h', tty: false, home: '/root' };
  const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  assert.deepEqual(processEnvironment({ ...base, container: [] }), [path, 'HOSTNAME=h', 'HOME=/root']);
  assert.deepEqual(processEnvironment({ ...base, tty: true, container: ['PATH=/x', 'HOME=/h', 'A=1'], exec: ['A'] }), [
    'PATH=/x',
    'HOSTNAME=h',
    'TERM=xterm',
    'HOME=/h',
  ]);
});

test('chosen names are valid, and collisions end', () => {
  const taken = new Set<string>();
  for (let round = 0; round < 200; round++) {
    const name = chooseName(
      (one) => taken.has(one),
      () => ((round * 7919) % 1000) / 1000,
    );
    validateName(name);
    taken.add(name);
  }
  const stubborn = chooseName((name) => !/[0-9]{2}$/.test(name));
  assert.match(stubborn, /^[a-z]+_[a-z]+[0-9]{2,}$/);
});
