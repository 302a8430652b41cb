import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EngineError } from '../../base/errors.ts';
import { tryDigest } from '../../base/ids.ts';
import { parseReference } from './reference.ts';

/*
 * The oracle: the documented grammar as data, and an interpreter that tries every way to match (the set of all ends a
 * rule can have). It shares no code and no idea with the hand-written scanners, which take the longest match only.
 */

type Rule =
  | { readonly kind: 'chars'; readonly set: string; readonly least: number; readonly most: number }
  | { readonly kind: 'sequence'; readonly parts: readonly Rule[] }
  | { readonly kind: 'choice'; readonly ways: readonly Rule[] }
  | { readonly kind: 'repeat'; readonly part: Rule };

const chars = (set: string, least = 1, most = least): Rule => ({ kind: 'chars', set, least, most });
const sequence = (...parts: Rule[]): Rule => ({ kind: 'sequence', parts });
const choice = (...ways: Rule[]): Rule => ({ kind: 'choice', ways });
const repeat = (part: Rule): Rule => ({ kind: 'repeat', part });
const optional = (part: Rule): Rule => choice(part, sequence());

const digits = '0123456789';
const lower = 'abcdefghijklmnopqrstuvwxyz';
const letters = lower + lower.toUpperCase();
const many = Number.POSITIVE_INFINITY;

const separator = choice(chars('.'), chars('_', 1, 2), chars('-', 1, many));
const alphaNumeric = chars(lower + digits, 1, many);
const pathComponent = sequence(alphaNumeric, repeat(sequence(separator, alphaNumeric)));
const remoteName = sequence(pathComponent, repeat(sequence(chars('/'), pathComponent)));
const inner = chars(letters + digits);
const domainComponent = choice(inner, sequence(inner, chars(`${letters}${digits}-`, 0, many), inner));
const domainName = sequence(domainComponent, repeat(sequence(chars('.'), domainComponent)));
const ipv6 = sequence(chars('['), chars(`${digits}abcdefABCDEF:`, 1, many), chars(']'));
const domain = sequence(choice(domainName, ipv6), optional(sequence(chars(':'), chars(digits, 1, many))));
const tag = sequence(chars(`${letters}${digits}_`), chars(`${letters}${digits}_.-`, 0, 127));
/** Of all algorithms that the grammar allows, the one that this engine keeps content by. */
const digest = sequence(...'sha256:'.split('').map((char) => chars(char)), chars(`${digits}abcdef`, 64));

const name = (full: boolean): Rule => (full ? sequence(domain, chars('/'), remoteName) : remoteName);
const reference = (full: boolean): Rule =>
  sequence(name(full), optional(sequence(chars(':'), tag)), optional(sequence(chars('@'), digest)));

function endsOf(rule: Rule, text: string, starts: ReadonlySet<number>): Set<number> {
  switch (rule.kind) {
    case 'chars':
      return new Set([...starts].flatMap((start) => charEnds(rule, text, start)));
    case 'sequence':
      return rule.parts.reduce((ends: Set<number>, part) => endsOf(part, text, ends), new Set(starts));
    case 'choice':
      return new Set(rule.ways.flatMap((way) => [...endsOf(way, text, starts)]));
    case 'repeat': {
      const all = new Set(starts);
      for (let fresh = all; fresh.size > 0; ) {
        fresh = endsOf(rule.part, text, fresh).difference(all);
        for (const end of fresh) all.add(end);
      }
      return all;
    }
  }
}

function charEnds(rule: Extract<Rule, { kind: 'chars' }>, text: string, start: number): number[] {
  const ends = rule.least === 0 ? [start] : [];
  for (let count = 1; count <= rule.most && start + count <= text.length; count++) {
    if (!rule.set.includes(text.charAt(start + count - 1))) break;
    if (count >= rule.least) ends.push(start + count);
  }
  return ends;
}

const matches = (rule: Rule, text: string): boolean => endsOf(rule, text, new Set([0])).has(text.length);

/** What is before the first slash is a registry only when it looks like one; else the default one is meant. */
function oracleAccepts(text: string): boolean {
  if (matches(chars(`${digits}abcdef`, 64), text)) return false;
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  const isHost = slash >= 0 && (first === 'localhost' || /[.:A-Z]/.test(first));
  if (!matches(reference(isHost), text)) return false;
  const rest = isHost ? text.slice(slash + 1) : text;
  const path = /^[^:@]*/.exec(rest)?.[0] ?? '';
  const isDefault = !isHost || first === 'docker.io' || first === 'index.docker.io';
  return (isDefault && !path.includes('/') ? `library/${path}` : path).length <= 255;
}

function parserAccepts(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch (error) {
    assert.ok(error instanceof EngineError && error.code === 'invalid', `${JSON.stringify(text)}: ${String(error)}`);
    return false;
  }
}

const hex = fc.stringMatching(/^[0-9a-f]{64}$/);

/** A text that the rule can make; rarely longer than a name in real life. */
function madeBy(rule: Rule): fc.Arbitrary<string> {
  switch (rule.kind) {
    case 'chars': {
      const most = Math.min(rule.most, Math.max(rule.least, 6));
      return fc
        .array(fc.constantFrom(...rule.set.split('')), { minLength: rule.least, maxLength: most })
        .map((all) => all.join(''));
    }
    case 'sequence':
      return fc.tuple(...rule.parts.map(madeBy)).map((parts) => parts.join(''));
    case 'choice':
      return fc.oneof(...rule.ways.map(madeBy));
    case 'repeat':
      return fc.array(madeBy(rule.part), { maxLength: 3 }).map((parts) => parts.join(''));
  }
}

const good = fc.oneof(madeBy(reference(true)), madeBy(reference(false)));
const piece = fc.oneof(
  fc.constantFrom('/', ':', '@', '.', '-', '_', '__', '___', '--', '[', ']', '..', '//', 'A', 'a', '0', 'localhost'),
  fc.constantFrom('docker.io', 'index.docker.io', 'sha256:', 'sha512:', '\0', '\n', ' ', 'é', 'K', 'ſ', '٣', '%2f'),
  hex,
  hex.map((text) => `sha256:${text}`),
  fc.string({ maxLength: 3 }),
);
/** Something good with one place changed: most of these are just beside the grammar. */
const nearlyGood = fc.tuple(good, fc.nat(), fc.nat(3), piece).map(([text, place, cut, put]) => {
  const at = place % (text.length + 1);
  return text.slice(0, at) + put + text.slice(at + cut);
});
const rubble = fc.array(piece, { maxLength: 10 }).map((parts) => parts.join(''));
const long = fc
  .tuple(fc.constantFrom('', 'a/', 'docker.io/', 'a.b/', 'localhost/'), fc.integer({ min: 240, max: 260 }))
  .map(([before, length]) => before + 'x'.repeat(length));
const longTag = fc.integer({ min: 126, max: 130 }).map((length) => `a:${'t'.repeat(length)}`);

describe('references against the documented grammar', () => {
  test('the parser takes what the grammar makes and refuses all else', () => {
    const taken = { yes: 0, no: 0 };
    fc.assert(
      fc.property(fc.oneof(good, nearlyGood, rubble, long, longTag), (text) => {
        const expected = oracleAccepts(text);
        taken[expected ? 'yes' : 'no']++;
        assert.equal(parserAccepts(text), expected, JSON.stringify(text));
      }),
      { numRuns: 10_000, seed: 20_260_101 },
    );
    // A generator that only makes one kind would prove nothing.
    assert.ok(taken.yes > 1000 && taken.no > 1000, JSON.stringify(taken));
  });

  test('digests likewise', () => {
    const exact = hex.map((text) => `sha256:${text}`);
    const changed = fc
      .tuple(exact, fc.nat(71), piece)
      .map(([text, at, put]) => text.slice(0, at) + put + text.slice(at + 1));
    fc.assert(
      fc.property(fc.oneof(exact, changed, rubble), (text) => {
        assert.equal(tryDigest(text) !== undefined, matches(digest, text), JSON.stringify(text));
      }),
      { numRuns: 5000, seed: 20_260_102 },
    );
  });
});
