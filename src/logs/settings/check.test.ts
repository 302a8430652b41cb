import assert from 'node:assert/strict';
import test from 'node:test';
import { newContainerId } from '../../base/ids.ts';
import type { LoggedContainer } from '../../spec/contract/logs.ts';
import { chosenAttributes, entryAttributes, logTag } from '../attributes.ts';
import { fluentdAddress, gelfAddress, syslogAddress } from './addresses.ts';
import { checkSettings } from './check.ts';
import { limitsOf } from './limits.ts';
import { syslogFacility } from './syslog.ts';

const container: LoggedContainer = {
  id: newContainerId(),
  name: 'web',
  imageId: `sha256:${'a1'.repeat(32)}`,
  imageName: 'busybox:latest',
  createdNs: 1_700_000_000_000_000_000n,
  entrypoint: 'sh',
  args: ['-c', 'true'],
  env: ['HOME=/root', 'EMPTY=', 'bare'],
  labels: { team: 'red', tier: 'front', __proto__x: '1' },
};

test('good settings pass', () => {
  for (const [driver, options] of [
    ['json-file', { 'max-size': '10m', 'max-file': '3', compress: 'true', labels: 'a', tag: '{{.Name}}' }],
    ['local', { 'max-size': '1g', mode: 'non-blocking', 'max-buffer-size': '4m' }],
    ['json-file', { 'env-regex': '^(os|customer)' }],
    ['none', { anything: 'goes' }],
    ['journald', { tag: 'x', 'cache-max-size': '1m' }],
    ['syslog', { 'syslog-address': 'unixgram:///dev/log', 'syslog-facility': '3', 'cache-disabled': 'true' }],
    ['gelf', { 'gelf-address': 'udp://h:1', 'gelf-compression-level': '-1' }],
    ['fluentd', { 'fluentd-async': 'true', 'fluentd-buffer-limit': '8m', 'fluentd-max-retries': '3' }],
  ] as [string, Record<string, string>][]) {
    checkSettings({ driver, options }, container);
  }
});

test("bad settings are refused in Docker's words", () => {
  const bad: [string, Record<string, string>, RegExp][] = [
    ['nope', {}, /^error looking up logging plugin nope: plugin "nope" not found$/],
    ['', {}, /^error looking up logging plugin : plugin "" not found$/],
    ['json-file', { nope: '1' }, /^unknown log opt 'nope' for json-file log driver$/],
    ['local', { nope: '1' }, /^unknown log opt 'nope' for log driver local$/],
    ['json-file', { 'syslog-address': 'x' }, /^unknown log opt 'syslog-address' for json-file log driver$/],
    ['json-file', { mode: 'fast' }, /^logger: logging mode not supported: fast$/],
    ['json-file', { 'max-buffer-size': '1m' }, /^logger: max-buffer-size option is only supported with 'mode=non-b/],
    ['json-file', { mode: 'non-blocking', 'max-buffer-size': 'x' }, /^error parsing option max-buffer-size: invalid/],
    ['json-file', { 'cache-disabled': 'perhaps' }, /^invalid value for option cache-disabled: perhaps$/],
    ['json-file', { 'max-size': '-1' }, /^failed to initialize logging driver: /],
    ['json-file', { 'max-size': '0' }, /max-size must be a positive number$/],
    ['json-file', { 'max-size': '10x' }, /invalid suffix: 'x'$/],
    ['json-file', { 'max-file': '0' }, /max-file cannot be less than 1$/],
    ['json-file', { 'max-file': 'two' }, /invalid syntax$/],
    ['json-file', { compress: 'true' }, /compress cannot be true when max-file is less than 2 or max-size is not set$/],
    ['local', { 'max-file': '1' }, /compression cannot be enabled when max file count is 1$/],
    ['local', { 'max-file': '-1' }, /max-file must not be negative$/],
    ['json-file', { tag: '{{.Nothing}}' }, /^failed to initialize logging driver: .*Nothing/],
    ['json-file', { tag: '{{' }, /^failed to initialize logging driver: /],
    ['json-file', { 'labels-regex': '(' }, /^failed to initialize logging driver: /],
    ['awslogs', {}, /^the log driver awslogs is not implemented$/],
  ];
  for (const [driver, options, message] of bad) {
    assert.throws(() => checkSettings({ driver, options }, container), { message }, JSON.stringify([driver, options]));
  }
});

test('limits: json-file 1 GiB, local and copies 20 MiB in 5 files; sizes count in thousands', () => {
  assert.deepEqual(limitsOf({ driver: 'json-file', options: {} }), {
    maxBytes: 256 << 20,
    maxFiles: 4,
    guardBytes: 2 ** 31,
    compress: false,
  });
  assert.deepEqual(limitsOf({ driver: 'json-file', options: { 'max-file': '9' } }), {
    maxBytes: 256 << 20,
    maxFiles: 4,
    guardBytes: 2 ** 31,
    compress: false,
  });
  assert.equal(limitsOf({ driver: 'json-file', options: { 'max-size': '1t' } }).maxBytes, 1e12);
  assert.equal(limitsOf({ driver: 'local', options: { 'max-size': '0' } }).guardBytes, 0);
  assert.deepEqual(limitsOf({ driver: 'local', options: {} }), {
    maxBytes: 20 << 20,
    maxFiles: 5,
    guardBytes: 160 << 20,
    compress: true,
  });
  assert.deepEqual(limitsOf({ driver: 'json-file', options: { 'max-size': '10m', 'max-file': '3' } }), {
    maxBytes: 10_000_000,
    maxFiles: 3,
    guardBytes: 80_000_000,
    compress: false,
  });
  const cached = { 'cache-max-size': '1k', 'cache-max-file': '2', 'max-size': '7' };
  assert.deepEqual(limitsOf({ driver: 'syslog', options: cached }), {
    maxBytes: 1000,
    maxFiles: 2,
    guardBytes: 64 << 20,
    compress: true,
  });
});

test('attributes and tags', () => {
  const options = { labels: 'team,absent', 'env-regex': '^(HOME|EMPTY)$', tag: '{{.ImageName}}/{{.Name}}/{{.ID}}' };
  const tag = `busybox:latest/web/${container.id.slice(0, 12)}`;
  assert.deepEqual(
    [...entryAttributes(container, { driver: 'json-file', options })],
    [
      ['team', 'red'],
      ['HOME', '/root'],
      ['EMPTY', ''],
      ['tag', tag],
    ],
  );
  assert.equal(logTag(container, {}), container.id.slice(0, 12));
  assert.equal(logTag(container, { tag: 'plain' }), 'plain');
  assert.equal(
    logTag(container, { tag: '{{.ImageID}} {{.Command}} {{index .ContainerLabels "team"}}' }),
    'a1a1a1a1a1a1 sh -c true red',
  );
  const renamed = chosenAttributes(container, { labels: 'tier', env: 'bare' }, (name) => `_${name}`);
  assert.deepEqual([...renamed], [['_tier', 'front']]);
});

test('addresses and facilities', () => {
  assert.equal(syslogAddress(undefined), undefined);
  assert.deepEqual(syslogAddress('tcp+tls://[::1]'), { scheme: 'tcp+tls', host: '::1', port: 514, path: '' });
  assert.deepEqual(syslogAddress('unixgram:///dev/log'), { scheme: 'unixgram', host: '', port: 0, path: '/dev/log' });
  assert.throws(() => syslogAddress('http://x'), { message: "unsupported scheme: 'http'" });
  assert.deepEqual(gelfAddress('udp://1.2.3.4:12201'), { scheme: 'udp', host: '1.2.3.4', port: 12_201, path: '' });
  assert.throws(() => gelfAddress(''), { message: 'gelf-address is a required parameter' });
  assert.throws(() => gelfAddress('udp://host'), { message: 'gelf: please provide gelf-address as proto://host:port' });
  assert.throws(() => gelfAddress('unix:///x'), { message: 'gelf: endpoint needs to be TCP or UDP' });
  assert.deepEqual(fluentdAddress(''), { scheme: 'tcp', host: '127.0.0.1', port: 24_224, path: '' });
  assert.deepEqual(fluentdAddress('host:1'), { scheme: 'tcp', host: 'host', port: 1, path: '' });
  assert.deepEqual(fluentdAddress('unix:///run/f.sock'), { scheme: 'unix', host: '', port: 0, path: '/run/f.sock' });
  assert.throws(
    () => fluentdAddress('tcp://h:1/path'),
    /invalid fluentd-address \(tcp:..h:1.path\): should not contain/,
  );
  assert.deepEqual(['', 'kern', 'local7', '17'].map(syslogFacility), [3, 0, 23, 17]);
  for (const bad of ['24', '-', 'mars', '1x'])
    assert.throws(() => syslogFacility(bad), { message: 'invalid syslog facility' });
});
