import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applyChanges } from './changes.ts';
import { globMatches } from '../base/text/glob.ts';
import { startCpuClock } from '../../tests/support/cpu.ts';

describe('applyChanges', () => {
  const apply = (...changes: string[]) => JSON.parse(JSON.stringify(applyChanges({}, changes))) as unknown;

  test('knows the instructions of docker import', () => {
    assert.deepEqual(apply('CMD ["/bin/sh", "-c", "x"]'), { Cmd: ['/bin/sh', '-c', 'x'] });
    assert.deepEqual(apply('cmd echo hi'), { Cmd: ['/bin/sh', '-c', 'echo hi'] });
    assert.deepEqual(apply('ENV A=1 B="two words" C=\\ x'), { Env: ['A=1', 'B=two words', 'C= x'] });
    assert.deepEqual(apply('ENV A some text', 'ENV A=2'), { Env: ['A=2'] });
    assert.deepEqual(apply('LABEL a=b "c d"=e'), { Labels: { a: 'b', 'c d': 'e' } });
    assert.deepEqual(apply('EXPOSE 80 53/UDP 8000-8001'), {
      ExposedPorts: { '80/tcp': {}, '53/udp': {}, '8000/tcp': {}, '8001/tcp': {} },
    });
    assert.deepEqual(apply('VOLUME ["/a b", "/c"]', 'VOLUME /d /e'), {
      Volumes: { '/a b': {}, '/c': {}, '/d': {}, '/e': {} },
    });
    assert.deepEqual(apply('USER 1000:1000', 'STOPSIGNAL SIGINT'), { User: '1000:1000', StopSignal: 'SIGINT' });
    assert.deepEqual(apply('WORKDIR /a', 'WORKDIR b/../c/.'), { WorkingDir: '/a/c' });
    assert.deepEqual(apply('ONBUILD RUN x'), { OnBuild: ['RUN x'] });
    assert.deepEqual(apply('', '# comment', 'USER a\nUSER b'), { User: 'b' });
    assert.deepEqual(apply('USER \\', '# comment', '  b'), { User: 'b' });
  });

  test('a new entry point drops the old command, but not one given beside it', () => {
    assert.deepEqual(applyChanges({ Cmd: ['old'] }, ['ENTRYPOINT ["/x"]']), { Entrypoint: ['/x'] });
    assert.deepEqual(applyChanges({}, ['CMD ["a"]', 'ENTRYPOINT ["/x"]']), { Cmd: ['a'], Entrypoint: ['/x'] });
  });

  test('refuses what is none of them, or malformed', () => {
    const bad: [string, RegExp][] = [
      ['RUN x', /RUN is not a valid change command/],
      ['ENV x', /must have two arguments/],
      ['ENV =x', /can not be blank/],
      ['ENV A=1 B', /can't find =/],
      ['ENV A="x', /double-quote/],
      ['EXPOSE 80x', /Invalid containerPort/],
      ['EXPOSE 70000', /Invalid containerPort/],
      ['EXPOSE 90-80', /Invalid containerPort/],
      ['EXPOSE 80/quic', /Invalid proto/],
      ['ENV A=${B', /missing '}'/],
      ['ENV A=${B:=x}', /unsupported modifier/],
      ['ENV A="${B:?is wanted}"', /B: is wanted/],
      ['ENV A=${', /bad substitution/],
      [`ENV A=${'${B:-'.repeat(3000)}`, /too many nested variables/],
      ['USER', /exactly one/],
      ['VOLUME [""]', /empty string/],
      ['HEALTHCHECK --retries=x CMD a', /--retries=x is no number/],
      ['HEALTHCHECK --retries=-1 CMD a', /cannot be negative/],
      ['HEALTHCHECK CMD []', /Missing command/],
    ];
    for (const [change, message] of bad) assert.throws(() => applyChanges({}, [change]), { code: 'invalid', message });
  });

  test('keys cannot reach a prototype', () => {
    const { Labels } = applyChanges({}, ['LABEL __proto__=x']);
    assert.deepEqual(Object.keys(Labels ?? {}), ['__proto__']);
  });

  test('words, quotes and variables', () => {
    const value = (text: string): string | undefined =>
      applyChanges({ Env: ['A=one', 'E='] }, [`ENV X=${text}`])
        .Env?.at(-1)
        ?.slice(2);
    assert.equal(value(`"b c"'d "e'f\\ g""`), 'b cd "ef g');
    assert.equal(value('$A${A}x$A1'), 'oneonex');
    assert.equal(value(`"$A"'$A'\\$A`), 'one$A$A');
    assert.equal(value('${E-x}.${E:-x}.${U-x}.${E+y}.${E:+y}.${U:-"a b"$A}'), '.x.x.y..a bone');
    assert.equal(value('a$'), 'a$');
    assert.equal(value('"a\\b\\"c"'), 'a\\b"c');
  });
});

test('globMatches', () => {
  const matching: [string, string][] = [
    ['busybox', 'busybox'],
    ['busy*', 'busybox'],
    ['*box', 'busybox'],
    ['*:latest', 'busybox:latest'],
    ['*/app', 'me/app'],
    ['b?sybox', 'busybox'],
    ['[a-c]usybox', 'busybox'],
    ['[^x]usybox', 'busybox'],
    ['a\\*', 'a*'],
    ['*', ''],
    ['**', 'abc'],
  ];
  for (const [pattern, text] of matching) assert.equal(globMatches(pattern, text), true, `${pattern} ${text}`);
  const others: [string, string][] = [
    ['busy', 'busybox'],
    ['*', 'me/app'],
    ['me?app', 'me/app'],
    ['[^b]usybox', 'busybox'],
    ['*x', 'busyboy'],
    ['', 'a'],
  ];
  for (const [pattern, text] of others) assert.equal(globMatches(pattern, text), false, `${pattern} ${text}`);
  for (const pattern of ['[a', 'a\\', '[']) assert.equal(globMatches(pattern, 'a'), undefined, pattern);
  const spent = startCpuClock();
  globMatches(`${'*a'.repeat(1000)}b`, 'a'.repeat(10_000));
  assert.ok(spent() < 2000);
});
