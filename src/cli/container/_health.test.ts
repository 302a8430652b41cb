import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type HealthFlags, healthcheck } from './_health.ts';

const none: HealthFlags = {
  'health-cmd': '',
  'health-http': '',
  'health-tcp': '',
  'health-on-failure': '',
  'health-interval': 0,
  'health-timeout': 0,
  'health-start-period': 0,
  'health-start-interval': 0,
  'health-retries': 0,
  'no-healthcheck': false,
};
const testOf = (flags: Partial<HealthFlags>) => healthcheck({ ...none, ...flags })?.['Test'];

describe('the flags of health checks', () => {
  it('say nothing when none is given', () => {
    assert.equal(healthcheck(none), undefined);
    assert.deepEqual(healthcheck({ ...none, 'health-retries': 2 }), { Retries: 2 });
    assert.deepEqual(healthcheck({ ...none, 'no-healthcheck': true }), { Test: ['NONE'] });
  });

  it('take short URLs for localhost', () => {
    assert.deepEqual(testOf({ 'health-cmd': 'true' }), ['CMD-SHELL', 'true']);
    const urls = ['8080/health', ':8080', '/health', '127.0.0.1:80/x', 'https://localhost/x'];
    assert.deepEqual(
      urls.map((url) => (testOf({ 'health-http': url }) as string[])[1]),
      [
        'http://localhost:8080/health',
        'http://localhost:8080',
        'http://localhost/health',
        'http://127.0.0.1:80/x',
        'https://localhost/x',
      ],
    );
    assert.deepEqual(testOf({ 'health-tcp': '5432' }), ['TCP', '5432']);
  });

  it('are refused where they contradict each other', () => {
    const refused = (flags: Partial<HealthFlags>, message: RegExp) =>
      assert.throws(() => healthcheck({ ...none, ...flags }), message);
    refused({ 'no-healthcheck': true, 'health-cmd': 'x' }, /^.*--no-healthcheck conflicts with --health-\* options/);
    refused({ 'no-healthcheck': true, 'health-on-failure': 'kill' }, /--no-healthcheck conflicts/);
    refused({ 'health-cmd': 'x', 'health-tcp': '1' }, /only one of/);
    refused({ 'health-interval': -1 }, /--health-interval cannot be negative/);
    refused({ 'health-cmd': 'x', 'health-on-failure': 'explode' }, /invalid --health-on-failure "explode"/);
  });
});
