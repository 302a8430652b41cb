import assert from 'node:assert/strict';
import test from 'node:test';
import { binarySize, humanSize, parseBinarySize, significant } from './units.ts';

test('sizes keep the given number of significant digits', () => {
  assert.equal(humanSize(0), '0B');
  assert.equal(humanSize(999), '999B');
  assert.equal(humanSize(1_234_567), '1.235MB');
  assert.equal(humanSize(1_234_567, 3), '1.23MB');
  assert.equal(binarySize(3 * 1024 * 1024), '3MiB');
  assert.equal(binarySize(1536), '1.5KiB');
});

test('a number too wide for its digits takes an exponent, as in Go', () => {
  assert.equal(significant(999.95, 3), '1e+03');
  assert.equal(significant(0.00001234, 2), '1.2e-05');
});

test('memory flags are powers of 1024 whatever their spelling', () => {
  for (const text of ['1g', '1G', '1GB', '1GiB', '1 g', '1024m', '1048576k', '1073741824', '1073741824b']) {
    assert.equal(parseBinarySize(text), 1024 ** 3, text);
  }
  assert.throws(() => parseBinarySize('xx'), /invalid size: 'xx'/);
  assert.throws(() => parseBinarySize('-1'), /invalid size: '-1'/);
  assert.throws(() => parseBinarySize('5xx'), /invalid suffix: 'xx'/);
  assert.throws(() => parseBinarySize('1.2.3m'), /strconv.ParseFloat: parsing "1.2.3"/);
});
