import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { parseSignal, signalName, signalNumber } from './signals.ts';

test('the table agrees with the system', () => {
  for (const [name, number] of Object.entries(constants.signals)) assert.equal(signalNumber(name), number, name);
});

test('numbers, names with and without SIG, any case, real-time signals', () => {
  const cases: [string, number | undefined][] = [
    ['9', 9],
    ['KILL', 9],
    ['sigkill', 9],
    ['SIGRTMIN+3', 37],
    ['rtmax-1', 63],
    ['SIGRTMIN', 34],
    ['64', 64],
    ['0', undefined],
    ['65', undefined],
    ['-1', undefined],
    ['', undefined],
    ['SIG', undefined],
    ['RTMIN+31', undefined],
    ['RTMIN-1', undefined],
    ['__proto__', undefined],
  ];
  for (const [text, number] of cases) assert.equal(signalNumber(text), number, text);
  assert.throws(() => parseSignal('NOPE'), { code: 'invalid', message: 'invalid signal: NOPE' });
});

test('every number has a name that leads back to it', () => {
  for (let number = 1; number <= 64; number++) {
    if (number === 32 || number === 33) continue;
    assert.equal(signalNumber(signalName(number)), number);
  }
  assert.equal(signalName(9), 'SIGKILL');
  assert.equal(signalName(36), 'SIGRTMIN+2');
});
