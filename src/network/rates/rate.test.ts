import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { effective, parseRate, ratesIn } from './rate.ts';
import { rateOptions } from '../../spec/engine/network.ts';

describe('rates', () => {
  it('are bits or bytes a second', () => {
    const cases: [string, number | null][] = [
      ['8kbit', 1000],
      ['10mbit', 1_250_000],
      ['10Mbit/s', 1_250_000],
      ['1.5mbyte', 1_500_000],
      ['40gbit', 5_000_000_000],
      ['1tbit', 125_000_000_000],
      ['80000bit', 10_000],
      ['none', null],
    ];
    for (const [text, rate] of cases) assert.equal(parseRate('o', text), rate, text);
  });

  it('name what is wrong with them', () => {
    const wrong = [
      '',
      '10',
      'mbit',
      '10 mbit',
      '-1mbit',
      '1e3mbit',
      '7kbit',
      '2tbit',
      '10constructor',
      '10mbit/m',
      '0mbit',
    ];
    for (const text of wrong) {
      assert.throws(() => parseRate('gantry.rate.in', text), {
        message: `invalid value ${JSON.stringify(text)} of gantry.rate.in: expected a rate from 8kbit to 1tbit such as 10mbit or 1.5mbyte, or none`,
      });
    }
  });

  it("of an endpoint come before its network's", () => {
    const own = ratesIn({ [rateOptions.in]: 'none', other: 'x' }, rateOptions);
    assert.deepEqual(own, { in: null });
    assert.deepEqual(effective(own, { in: 5, out: 6 }), { in: undefined, out: 6 });
    assert.deepEqual(effective({ out: 7 }, { in: 5, out: 6 }), { in: 5, out: 7 });
  });
});
