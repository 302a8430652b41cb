import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EngineError } from '../../base/errors.ts';
import { resolveUser } from './resolve.ts';
import { startCpuClock } from '../../../tests/support/cpu.ts';

const passwd = `root:x:0:0:root:/root:/bin/sh
# comment:x:7:7::/:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
app:x:1000:1000::/home/app:/bin/sh
second:x:1000:2000::/home/second:/bin/sh
broken:x:abc:0::/:/bin/sh
negative:x:-5:0::/:/bin/sh
4294967296:x:0:0::/root:/bin/sh
huge:x:4294967295:0::/:/bin/sh
bare:x:1234:1234
`;
const group = `root:x:0:
daemon:x:1:
app:x:1000:
wheel:x:10:app,daemon
video:x:44:app
odd:x:-7:app
`;
const files = new Map([
  ['/etc/passwd', passwd],
  ['/etc/group', group],
]);
const inImage = (path: string) => Promise.resolve(new TextEncoder().encode(files.get(path)));
const inEmptyImage = () => Promise.resolve(undefined);

const resolved = async (spec: string, add: string[] = [], read = inImage as typeof inImage | typeof inEmptyImage) => {
  const { user, home } = await resolveUser(spec, add, read);
  return [user.uid, user.gid, user.additionalGids.join(','), home];
};

test('names, numbers and groups', async () => {
  assert.deepEqual(await resolved(''), [0, 0, '0', '/root']);
  assert.deepEqual(await resolved('app'), [1000, 1000, '1000,10,44', '/home/app']);
  assert.deepEqual(await resolved('1000'), [1000, 1000, '1000,10,44', '/home/app']);
  assert.deepEqual(await resolved('app:daemon'), [1000, 1, '1', '/home/app']);
  assert.deepEqual(await resolved('app:4711'), [1000, 4711, '4711', '/home/app']);
  assert.deepEqual(await resolved(':daemon'), [0, 1, '1', '/root']);
  assert.deepEqual(await resolved('4242'), [4242, 0, '0', '/']);
  assert.deepEqual(await resolved('4242:app'), [4242, 1000, '1000', '/']);
  assert.deepEqual(await resolved('bare'), [1234, 1234, '1234', '/']);
  assert.deepEqual(await resolved('app', ['video', '777']), [1000, 1000, '1000,10,44,777', '/home/app']);
});

test('an image without account files knows numbers only', async () => {
  assert.deepEqual(await resolved('', [], inEmptyImage), [0, 0, '0', '/']);
  assert.deepEqual(await resolved('5:6', ['7'], inEmptyImage), [5, 6, '6,7', '/']);
  await assert.rejects(resolved('app', [], inEmptyImage), {
    code: 'invalid',
    message: 'unable to find user app: no matching entries in passwd file',
  });
});

test('what is not there, out of range or unreadable never becomes root', async () => {
  const rejects: [string, string[], RegExp][] = [
    ['nobody', [], /^unable to find user nobody: no matching entries in passwd file$/],
    ['app:nogroup', [], /^unable to find group nogroup: no matching entries in group file$/],
    ['app', ['nogroup'], /^unable to find group nogroup/],
    ['broken', [], /^unable to find user broken/],
    ['negative', [], /^unable to find user negative/],
    ['huge', [], /^unable to find user huge/],
    ['app:odd', [], /^unable to find group odd/],
    ['2147483648', [], /^uids and gids must be in range 0-2147483647$/],
    ['4294967296', [], /range/],
    ['-1', [], /range/],
    ['99999999999999999999999', [], /range/],
    ['app:-1', [], /range/],
    ['app', ['4294967296'], /range/],
  ];
  for (const [spec, add, message] of rejects) await assert.rejects(resolved(spec, add), { code: 'invalid', message });
});

test('a file of one huge line is read in linear time', async () => {
  const line = new TextEncoder().encode(`wheel:x:10:${'a,'.repeat(1_000_000)}app\n`);
  const spent = startCpuClock();
  const read = (path: string) => (path === '/etc/group' ? Promise.resolve(line) : inImage(path));
  assert.deepEqual(await resolved('app', [], read), [1000, 1000, '1000,10', '/home/app']);
  assert.ok(spent() < 2000);
});

test('whatever an image says: ids in range, or a refusal', async () => {
  const piece = fc.constantFrom(
    'root',
    'app',
    ':',
    '0',
    '1000',
    '-1',
    '4294967296',
    '2147483648',
    '\n',
    '#',
    ',',
    'x',
    '\0',
    ' ',
  );
  const text = fc.array(piece, { maxLength: 40 }).map((parts) => parts.join(''));
  await fc.assert(
    fc.asyncProperty(text, text, fc.array(piece, { maxLength: 4 }), async (users, groups, parts) => {
      const read = (path: string) => Promise.resolve(new TextEncoder().encode(path === '/etc/passwd' ? users : groups));
      try {
        const { user } = await resolveUser(parts.join(''), [], read);
        for (const id of [user.uid, user.gid, ...user.additionalGids]) {
          assert.ok(Number.isInteger(id) && id >= 0 && id <= 0x7fff_ffff);
        }
        assert.ok(user.additionalGids.includes(user.gid));
      } catch (error) {
        assert.ok(error instanceof EngineError && error.code === 'invalid', String(error));
      }
    }),
    { numRuns: 500 },
  );
});
