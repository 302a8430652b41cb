import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf } from '../../base/errors.ts';
import { checkGitWish, type GitWish, hostOfRemote, isSshRemote, submoduleRemote } from './git-check.ts';

const plain: GitWish = { remote: 'https://example.com/a/b.git', ref: 'main', folder: 'x/y', checksum: '' };

test('branches, tags, commits and folders are taken', () => {
  for (const ref of ['', 'main', 'refs/heads/a-b_c/d', 'v1.2.3', 'a'.repeat(40), 'feature/#12'.replace('#', ''), 'ü']) {
    checkGitWish({ ...plain, ref });
  }
  for (const remote of ['http://127.0.0.1:80/x.git', 'git://[::1]/x', 'https://user:pass@example.com/x.git']) {
    checkGitWish({ ...plain, remote });
  }
  for (const remote of ['git@example.com:a/b.git', 'ssh://git@example.com/b', 'ssh://[::1]:22/~/x', 'ssh://h_1/x']) {
    checkGitWish({ ...plain, remote });
    assert.ok(isSshRemote(remote));
  }
  assert.deepEqual(['git@Host:a', 'ssh://g@host:22/a', 'https://u:p@host:8/a'].map(hostOfRemote), [
    'host',
    'host',
    'host',
  ]);
  assert.ok(!isSshRemote(plain.remote));
  checkGitWish({ ...plain, checksum: 'abcdef0', folder: './a/../b'.replace('/../', '/') });
});

const hostile: readonly [what: string, wish: Partial<GitWish>, code: string][] = [
  ['an option as ref', { ref: '--upload-pack=touch /x' }, 'invalid'],
  ['a short option', { ref: '-x' }, 'invalid'],
  ['a range', { ref: 'a..b' }, 'invalid'],
  ['the reflog', { ref: 'a@{1}' }, 'invalid'],
  ['a pattern', { ref: 'refs/heads/*' }, 'invalid'],
  ['a revision', { ref: 'main~1' }, 'invalid'],
  ['a colon', { ref: 'main:file' }, 'invalid'],
  ['a line feed', { ref: 'main\nother' }, 'invalid'],
  ['a lock file', { ref: 'main.lock' }, 'invalid'],
  ['a hidden part', { ref: 'refs/.x' }, 'invalid'],
  ['a long one', { ref: 'a'.repeat(251) }, 'invalid'],
  ['another transport', { remote: 'ext::sh -c touch% /x' }, 'invalid'],
  ['a path', { remote: '/srv/repo.git' }, 'invalid'],
  ['a file', { remote: 'file:///srv/repo.git' }, 'invalid'],
  ['an option as host', { remote: 'git://-oProxyCommand=x/y' }, 'invalid'],
  ['blanks in an address', { remote: 'https://example.com/a b.git' }, 'invalid'],
  ['an option as host of ssh', { remote: 'ssh://-oProxyCommand=x/y' }, 'invalid'],
  ['an option as user of ssh', { remote: 'ssh://-oProxyCommand=x@host/y' }, 'invalid'],
  ['an option as user', { remote: '-oProxyCommand=x@host:y' }, 'invalid'],
  ['an option as host behind a user', { remote: 'git@-oProxyCommand=x:y' }, 'invalid'],
  ['an option as path', { remote: 'git@host:-x' }, 'invalid'],
  ['a password for ssh', { remote: 'ssh://git:secret@host/x.git' }, 'invalid'],
  ['a folder above', { folder: 'a/../../b' }, 'invalid'],
  ['a checksum that is none', { checksum: 'HEAD' }, 'invalid'],
];
for (const [what, wish, code] of hostile) {
  test(`git is not asked for ${what}`, () => {
    assert.throws(
      () => checkGitWish({ ...plain, ...wish }),
      (error: unknown) => codeOf(error) === code,
    );
  });
}

test('addresses of submodules are relative to their repository', () => {
  const remote = 'https://example.com/org/repo.git';
  assert.equal(submoduleRemote(remote, '../other.git'), 'https://example.com/org/other.git');
  assert.equal(submoduleRemote(remote, './inner.git'), 'https://example.com/org/repo.git/inner.git');
  assert.equal(submoduleRemote(remote, '../../x/y.git'), 'https://example.com/x/y.git');
  assert.equal(submoduleRemote('git@host:org/repo.git', '../other.git'), 'git@host:org/other.git');
  assert.equal(submoduleRemote('git@host:repo.git', './inner.git'), 'git@host:repo.git/inner.git');
  assert.equal(submoduleRemote('ssh://git@host:22/a/b.git', '../c.git'), 'ssh://git@host:22/a/c.git');
  assert.equal(submoduleRemote(remote, 'https://elsewhere.example/z'), 'https://elsewhere.example/z');
});
