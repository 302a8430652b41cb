import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labelledBindings } from './port-labels.ts';

const none = { exposed: [], all: false };
const plain = (map: object): unknown => JSON.parse(JSON.stringify(map));

test('labels say whom ports are published for, a port’s own label before that for all', () => {
  const bindings = {
    '80/tcp': [{ HostIp: '', HostPort: '8080' }],
    '53/udp': [{ HostIp: '', HostPort: '53', From: ['192.0.2.1'] }],
  };
  const labels = {
    'gantry.publish.from': '10.0.0.0/8, fd00::/8',
    'gantry.publish.host-rules.80/tcp': 'true',
    other: 'x',
  };
  assert.deepEqual(plain(labelledBindings(labels, bindings, none)), {
    '80/tcp': [{ HostIp: '', HostPort: '8080', From: ['10.0.0.0/8', 'fd00::/8'], HostRules: true }],
    '53/udp': [{ HostIp: '', HostPort: '53', From: ['192.0.2.1'] }],
  });
  assert.equal(labelledBindings({ other: 'x' }, bindings, none), bindings);
});

test('with all ports published, exposed ones get their bindings', () => {
  const all = labelledBindings(
    { 'gantry.publish.from.80': '10.0.0.0/8' },
    {},
    { exposed: ['80/tcp', '81/tcp'], all: true },
  );
  assert.deepEqual(plain(all), {
    '80/tcp': [{ HostIp: '', HostPort: '', From: ['10.0.0.0/8'] }],
    '81/tcp': [{ HostIp: '', HostPort: '' }],
  });
});

test('labels that mean nothing are refused', () => {
  const refuse = (label: string, value: string, message: RegExp) =>
    assert.throws(() => labelledBindings({ [label]: value }, { '80/tcp': [{ HostIp: '', HostPort: '' }] }, none), {
      code: 'invalid',
      message,
    });
  refuse('gantry.publish.form', '10.0.0.0/8', /unknown label "gantry.publish.form"/);
  refuse('gantry.publish.from.81/tcp', '10.0.0.0/8', /port 81\/tcp is not published/);
  refuse('gantry.publish.host-rules', 'yes', /expected true or false/);
  refuse('gantry.publish.from.x', '10.0.0.0/8', /invalid port specification/);
});
