import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exactReference, gitSource, httpSource, imageSource, lockAttributes, SourceLock } from './lock.ts';
import { parseLock, printLock } from './lock-file.ts';

const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;
const commit = 'c'.repeat(40);
const image = imageSource('docker.io/library/node:22', 'linux/amd64');
const git = gitSource('https://user:secret@git.example/repo.git', 'main');
const http = httpSource('https://user:secret@files.example/a.tar?token=abc');

const lockOf = (mode: string, text: string): SourceLock =>
  SourceLock.of(
    new Map([
      [lockAttributes.mode, mode],
      [lockAttributes.text, text],
      [lockAttributes.name, 'x.lock'],
    ]),
  );

const whole = printLock([
  { source: http, value: digest('3') },
  { source: git, value: commit },
  { source: { ...image, platform: 'linux/arm64' } as typeof image, value: digest('2') },
  { source: image, value: digest('1') },
]);

test('a lock has a source a line, sorted, without logins and tokens', () => {
  assert.equal(
    whole.replace(/"query":"sha256:[0-9a-f]{64}"/, '"query":"Q"'),
    `{
  "version": 1,
  "sources": [
    {"type":"image","name":"docker.io/library/node:22","platform":"linux/amd64","digest":"${digest('1')}"},
    {"type":"image","name":"docker.io/library/node:22","platform":"linux/arm64","digest":"${digest('2')}"},
    {"type":"git","name":"https://git.example/repo.git","ref":"main","commit":"${commit}"},
    {"type":"http","name":"https://files.example/a.tar","query":"Q","digest":"${digest('3')}"}
  ]
}
`,
  );
  assert.equal(printLock(parseLock(Buffer.from(whole), 'x')), whole);
  assert.equal(printLock([]), '{\n  "version": 1,\n  "sources": []\n}\n');
});

test('what is no lock is told of by its place', () => {
  const entry = (fields: object): string => JSON.stringify({ version: 1, sources: [fields] });
  const cases: [string, RegExp][] = [
    ['{', /^EngineError: x\.lock: the lock is not valid JSON$/],
    ['{"version":2}', /x\.lock: version 2 is not known: expected 1/],
    ['{}', /version null is not known/],
    [entry({ type: 'ftp', name: 'a' }), /sources\[0\]\.type: "ftp": expected image, git or http/],
    [entry({ type: 'image' }), /sources\[0\]\.name must be a string/],
    [entry({ type: 'image', name: 'a', digest: 'sha256:12' }), /sources\[0\]\.digest: "sha256:12": expected sha256:/],
    [entry({ type: 'git', name: 'a', commit: '--upload-pack=x' }), /sources\[0\]\.commit: .*expected 40 or 64 hex/],
    [entry({ type: 'git', name: 'a', ref: 7, commit }), /sources\[0\]\.ref must be a string/],
    [
      JSON.stringify({ version: 1, sources: [1, 2].map(() => ({ type: 'http', name: 'a', digest: digest('1') })) }),
      /sources has the file a twice/,
    ],
  ];
  for (const [text, message] of cases) assert.throws(() => parseLock(Buffer.from(text), 'x.lock'), message);
  assert.throws(() => lockOf('loose', ''), /lock: "loose": expected locked, update, renew/);
});

test('a strict lock names all, another one is added to, a renewed one is written anew', () => {
  const other = imageSource('docker.io/library/other:1', 'linux/amd64');
  const strict = lockOf('locked', whole);
  assert.equal(strict.find(image), digest('1'));
  assert.throws(
    () => strict.find(other),
    /x\.lock does not name the image docker\.io\/library\/other:1 for linux\/amd64/,
  );
  assert.throws(() => strict.note(git, 'd'.repeat(40)), /git\.example\/repo\.git at main is not what x\.lock says/);
  const loose = lockOf('update', whole);
  assert.equal(loose.find(other), undefined);
  loose.note(other, digest('9'));
  loose.note(image, digest('1'));
  assert.equal(loose.text(), printLock([...parseLock(Buffer.from(whole), 'x'), { source: other, value: digest('9') }]));
  const renewed = lockOf('renew', whole);
  assert.equal(renewed.find(image), undefined);
  renewed.note(image, digest('9'));
  assert.equal(renewed.text(), printLock([{ source: image, value: digest('9') }]));
});

test('without a lock nothing is wanted and nothing told', () => {
  const none = SourceLock.of(new Map());
  assert.equal(none.find(image), undefined);
  none.note(image, digest('1'));
  assert.equal(none.text(), undefined);
});

test('an image by its digest has no tag', () => {
  assert.equal(exactReference('registry.example:5000/a/b:1', digest('1')), `registry.example:5000/a/b@${digest('1')}`);
});
