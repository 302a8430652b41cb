import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainEntry, type TarEntryType } from '../../archive/tar/entry.ts';
import { writeTar } from '../../archive/tar/write.ts';
import { readAll } from '../../base/stream.ts';
import type { BuiltLayer } from '../../spec/contract/build.ts';
import { SquashPlan } from './squash.ts';

/** `d/` is a directory, `a=text` a file, `a->b` a hard link, anything else an empty file: whiteouts, too. */
type Member = string;

async function* members(list: readonly Member[]) {
  for (const member of list) {
    const [name = '', content] = member.split('=');
    const [from = '', to] = name.split('->');
    const type: TarEntryType = to === undefined ? (name.endsWith('/') ? 'directory' : 'file') : 'hardlink';
    const body = Buffer.from(content ?? '');
    const entry = { ...plainEntry(type, from, { size: body.length, mode: 0o644 }), linkName: to ?? '' };
    yield { entry, ...(body.length === 0 ? {} : { body: [body] as unknown as AsyncIterable<Uint8Array> }) };
  }
}

async function squashed(...layers: readonly (readonly Member[])[]): Promise<Member[]> {
  const keys = layers.map((_layer, at) => ({ at }) as unknown as BuiltLayer);
  const open = (layer: BuiltLayer) => writeTar(members(layers[(layer as unknown as { at: number }).at] ?? []));
  const plan = new SquashPlan();
  for (const key of keys.toReversed()) await plan.look(key, open(key));
  const found: Member[] = [];
  for await (const { entry, body } of plan.members(keys, open)) {
    const content = body === undefined ? '' : Buffer.from(await readAll(body, 1000)).toString();
    const shown = entry.name.replace(/\/$/, '');
    if (entry.type === 'directory') found.push(`${shown}/`);
    else if (entry.type === 'hardlink') found.push(`${shown}->${entry.linkName}`);
    else found.push(content === '' ? shown : `${shown}=${content}`);
  }
  return found.sort();
}

const cases: readonly [what: string, layers: readonly (readonly Member[])[], result: readonly Member[]][] = [
  ['the upper of two files counts', [['a=1', 'b=1'], ['a=2']], ['a=2', 'b=1']],
  [
    'what is deleted is deleted of the base, too',
    [
      ['d/', 'd/a=1'],
      ['d/', 'd/.wh.a'],
    ],
    ['d/', 'd/.wh.a'],
  ],
  ['what was deleted and made again is there', [['.wh.a'], ['a=2']], ['a=2']],
  [
    'a directory that takes a deleted one’s place hides what was in it',
    [['.wh.d'], ['d/', 'd/n=1']],
    ['d/', 'd/.wh..wh..opq', 'd/n=1'],
  ],
  ['a deleted directory takes what was in it along', [['d/', 'd/a=1', 'd/e/', 'd/e/b=1'], ['.wh.d']], ['.wh.d']],
  [
    'an opaque directory hides lower layers and the base',
    [
      ['d/', 'd/a=1'],
      ['d/', 'd/.wh..wh..opq', 'd/b=1'],
    ],
    ['d/', 'd/.wh..wh..opq', 'd/b=1'],
  ],
  ['a file in the place of a directory', [['d/', 'd/a=1'], ['d=2']], ['d=2']],
  ['hard links stay', [['a=1', 'b->a'], ['c=1']], ['a=1', 'b->a', 'c=1']],
  ['links whose file was replaced have its content', [['a=1', 'b->a', 'c->a'], ['a=2']], ['a=2', 'b=1', 'c->b']],
  ['links to what was deleted', [['a=1', 'b->a'], ['.wh.a']], ['.wh.a', 'b=1']],
];
for (const [what, layers, result] of cases) {
  test(`squashed layers: ${what}`, async () => {
    assert.deepEqual(await squashed(...layers), [...result].sort());
  });
}
