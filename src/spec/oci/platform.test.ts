import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Platform } from './image.ts';
import { bestForPlatform, formatPlatform, hostPlatform, parsePlatform, platformDistance } from './platform.ts';

const host = hostPlatform('x64');
const parse = (text: string): string => formatPlatform(parsePlatform(text, host));
const distance = (wanted: string, offered: string) =>
  platformDistance(parsePlatform(wanted, host), parsePlatform(offered, host));

test('parsePlatform fills in and normalises', () => {
  assert.equal(formatPlatform(host), 'linux/amd64');
  assert.equal(parse('linux'), 'linux/amd64');
  assert.equal(parse('arm64'), 'linux/arm64');
  assert.equal(parse('linux/aarch64'), 'linux/arm64');
  assert.equal(parse('linux/arm64/v8'), 'linux/arm64');
  assert.equal(parse('linux/arm'), 'linux/arm/v7');
  assert.equal(parse('linux/armhf'), 'linux/arm/v7');
  assert.equal(parse('linux/arm/6'), 'linux/arm/v6');
  assert.equal(parse('Linux/X86_64'), 'linux/amd64');
  assert.equal(parse('windows/amd64'), 'windows/amd64');
  for (const text of ['', 'linux/', '/amd64', 'a/b/c/d', 'lin ux', 'nonsense', 'linux/amd64\0']) {
    assert.throws(() => parse(text), { code: 'invalid' }, text);
  }
});

test('platformDistance knows what runs on what', () => {
  assert.equal(distance('linux/amd64', 'linux/amd64'), 0);
  assert.equal(distance('linux/amd64', 'linux/arm64'), undefined);
  assert.equal(distance('linux/amd64', 'windows/amd64'), undefined);
  assert.equal(distance('linux/amd64', 'linux/amd64/v3'), undefined);
  assert.equal(distance('linux/arm/v6', 'linux/arm/v7'), undefined);
  const rising = (wanted: string, ...offered: string[]) => {
    const distances = offered.map((platform) => distance(wanted, platform) ?? Number.NaN);
    assert.deepEqual(
      distances,
      [...distances].sort((a, b) => a - b),
    );
    assert.ok(!distances.includes(Number.NaN), String(distances));
  };
  rising('linux/arm/v7', 'linux/arm/v7', 'linux/arm/v6', 'linux/arm/v5');
  rising('linux/arm64', 'linux/arm64/v8', 'linux/arm/v7', 'linux/arm/v6');
  rising('linux/amd64/v3', 'linux/amd64/v3', 'linux/amd64/v2', 'linux/amd64', 'linux/386');
});

test('bestForPlatform takes the nearest, and the first of equals', () => {
  const at = (platform: Partial<Platform>, name: string) => ({
    name,
    platform: { os: 'linux', architecture: '', ...platform },
  });
  const entries = [
    at({ architecture: '386' }, 'i386'),
    at({ architecture: 'amd64' }, 'first'),
    at({ architecture: 'amd64' }, 'second'),
    at({ architecture: 'unknown', os: 'unknown' }, 'attestation'),
  ];
  assert.equal(bestForPlatform(host, entries, (entry) => entry.platform)?.name, 'first');
  assert.equal(
    bestForPlatform(hostPlatform('arm64'), entries, (entry) => entry.platform),
    undefined,
  );
});
