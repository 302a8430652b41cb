import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EngineError } from '../../base/errors.ts';
import { parseImageName } from './image-name.ts';
import {
  familiarName,
  familiarReference,
  formatReference,
  parseReference,
  parseTag,
  type Reference,
  withDefaultTag,
} from './reference.ts';
import { startCpuClock } from '../../../tests/support/cpu.ts';

const hex = 'a'.repeat(64);
const digest = `sha256:${hex}`;

describe('parseReference', () => {
  const good: [text: string, full: string, familiar: string][] = [
    ['busybox', 'docker.io/library/busybox', 'busybox'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36', 'busybox:1.36'],
    ['me/app', 'docker.io/me/app', 'me/app'],
    ['docker.io/busybox', 'docker.io/library/busybox', 'busybox'],
    ['index.docker.io/me/app', 'docker.io/me/app', 'me/app'],
    ['docker.io/library/a/b', 'docker.io/library/a/b', 'library/a/b'],
    ['docker.io/a.b/c', 'docker.io/a.b/c', 'docker.io/a.b/c'],
    ['localhost/app', 'localhost/app', 'localhost/app'],
    ['localhost:5000/app:x', 'localhost:5000/app:x', 'localhost:5000/app:x'],
    ['127.0.0.1:5000/a/b', '127.0.0.1:5000/a/b', '127.0.0.1:5000/a/b'],
    ['[::1]:5000/app', '[::1]:5000/app', '[::1]:5000/app'],
    ['[2001:db8::1]/app', '[2001:db8::1]/app', '[2001:db8::1]/app'],
    ['Registry/app', 'Registry/app', 'Registry/app'],
    ['example.com/a__b/c---d/e.f_g', 'example.com/a__b/c---d/e.f_g', 'example.com/a__b/c---d/e.f_g'],
    [`busybox@${digest}`, `docker.io/library/busybox@${digest}`, `busybox@${digest}`],
    [`busybox:1@${digest}`, `docker.io/library/busybox:1@${digest}`, `busybox:1@${digest}`],
    [`a:${'t'.repeat(128)}`, `docker.io/library/a:${'t'.repeat(128)}`, `a:${'t'.repeat(128)}`],
    ['a:_x.Y-z', 'docker.io/library/a:_x.Y-z', 'a:_x.Y-z'],
    ['xn--n3h.com/myimage', 'xn--n3h.com/myimage', 'xn--n3h.com/myimage'],
  ];
  for (const [text, full, familiar] of good) {
    test(text.slice(0, 60), () => {
      const reference = parseReference(text);
      assert.equal(formatReference(reference), full);
      assert.equal(familiarReference(reference), familiar);
    });
  }

  const bad = [
    '',
    ':tag',
    '/a',
    'a/',
    'a//b',
    'a:',
    'a:-x',
    `a:${'t'.repeat(129)}`,
    'a b',
    'a@',
    'a@sha256:abc',
    `a@sha256:${'A'.repeat(64)}`,
    `a@sha512:${'a'.repeat(128)}`,
    'a@sha256:../../x',
    '-a',
    'a-',
    '.a',
    'a..b',
    'a___b',
    'a._b',
    '../a',
    'a/../b',
    'example.com:x/a',
    'example.com:/a',
    '-x.com/a',
    '[::1/a',
    '[]/a',
    'a:tag:tag',
    'a\0b',
    'ä/x',
    'a:tag\n',
    'https://example.com/a',
  ];
  for (const text of bad) {
    test(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
      assert.throws(() => parseReference(text), { code: 'invalid', message: /^invalid reference format/ });
    });
  }

  test('says which repository name is not lower-case', () => {
    assert.throws(() => parseReference('Busybox'), {
      message: 'invalid reference format: repository name (library/Busybox) must be lowercase',
    });
    assert.throws(() => parseReference('example.com/Foo:x'), {
      message: 'invalid reference format: repository name (Foo) must be lowercase',
    });
  });

  test('refuses 64 hex digits and repositories over 255 characters', () => {
    assert.throws(() => parseReference(hex), /cannot specify 64-byte hexadecimal strings/);
    assert.equal(parseReference(`example.com/${'a'.repeat(255)}`).path.length, 255);
    assert.throws(() => parseReference(`example.com/${'a'.repeat(256)}`), {
      message: 'repository name must not be more than 255 characters',
    });
  });
});

describe('properties', () => {
  const label = fc.stringMatching(/^[a-zA-Z0-9]([a-zA-Z0-9-]{0,8}[a-zA-Z0-9])?$/);
  const domain = fc
    .tuple(label, label, fc.option(fc.integer({ min: 1, max: 65535 })))
    .map(([a, b, port]) => `${a}.${b}${port === null ? '' : `:${port}`}`);
  const component = fc.stringMatching(/^[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}$/);
  const path = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const tag = fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/), { nil: undefined });

  test('what the grammar makes is parsed back to the same parts', () => {
    fc.assert(
      fc.property(domain, path, tag, fc.boolean(), (host, repository, name, pinned) => {
        const text = `${host}/${repository}${name === undefined ? '' : `:${name}`}${pinned ? `@${digest}` : ''}`;
        const parsed = parseReference(text);
        assert.equal(parsed.domain, host);
        assert.equal(parsed.path, repository);
        assert.equal(parsed.tag, name);
        assert.equal(parsed.digest, pinned ? digest : undefined);
      }),
    );
  });

  test('the full and the familiar form mean the same image', () => {
    fc.assert(
      fc.property(path, tag, (repository, name) => {
        const first = `docker.io/${repository}${name === undefined ? '' : `:${name}`}`;
        const parsed = parseReference(first);
        assert.deepEqual(parseReference(formatReference(parsed)), parsed);
        assert.deepEqual(parseReference(familiarReference(parsed)), parsed);
      }),
    );
  });

  test('any text gives a reference of safe characters or an EngineError', () => {
    const pieces = fc.constantFrom(
      'a',
      'B',
      '/',
      ':',
      '@',
      '.',
      '-',
      '_',
      '[',
      ']',
      '\0',
      '..',
      digest,
      'sha256:',
      '5',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (input) => {
        let parsed: Reference;
        try {
          parsed = parseReference(input);
        } catch (error) {
          assert.ok(error instanceof EngineError);
          return;
        }
        assert.match(formatReference(parsed), /^[A-Za-z0-9_.:/@[\]-]+$/);
        assert.ok(!parsed.path.split('/').some((part) => part === '' || part.startsWith('.')));
      }),
      { numRuns: 2000 },
    );
  });

  test('a long hostile text takes no longer than its length', () => {
    for (const text of [`${'a-'.repeat(500_000)}!`, `${'a.'.repeat(500_000)}/x`, `a/${'_'.repeat(1_000_000)}`]) {
      const spent = startCpuClock();
      assert.throws(() => parseReference(text));
      assert.ok(spent() < 500);
    }
  });
});

test('withDefaultTag, familiarName, parseTag', () => {
  assert.equal(formatReference(withDefaultTag(parseReference('a'))), 'docker.io/library/a:latest');
  assert.equal(withDefaultTag(parseReference(`a@${digest}`)).tag, undefined);
  assert.equal(familiarName(parseReference('x/y:z')), 'x/y');
  assert.equal(parseTag('v1.0'), 'v1.0');
  assert.throws(() => parseTag('a/b'), { code: 'invalid' });
  assert.throws(() => parseTag(''), { code: 'invalid' });
});

test('parseImageName', () => {
  assert.deepEqual(parseImageName(hex), { id: digest });
  assert.deepEqual(parseImageName(digest), { id: digest });
  assert.deepEqual(parseImageName('sha256:abc1'), { idPrefix: 'abc1' });
  assert.equal(parseImageName('cafe').idPrefix, 'cafe');
  assert.equal(parseImageName('cafe').reference?.path, 'library/cafe');
  assert.equal(parseImageName('busybox').idPrefix, undefined);
  assert.throws(() => parseImageName('a b'), { message: 'invalid reference format' });
});
