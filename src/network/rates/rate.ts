import { invalid } from '../../base/errors.ts';
import { rateOptions, totalRateOptions } from '../../spec/engine/network.ts';

/** Bytes a second; null for no limit, whatever the network says. */
export type Rate = number | null;

/** What goes to a container (`in`) and what it sends (`out`); undefined leaves it to the network. */
export interface Rates {
  readonly in?: Rate;
  readonly out?: Rate;
}

/** All options that may change while a network is used. */
export const networkRateOptions: readonly string[] = [
  ...Object.values(rateOptions),
  ...Object.values(totalRateOptions),
];

const bitsPerUnit: Readonly<Record<string, number>> = {
  bit: 1,
  kbit: 1e3,
  mbit: 1e6,
  gbit: 1e9,
  tbit: 1e12,
  byte: 8,
  kbyte: 8e3,
  mbyte: 8e6,
  gbyte: 8e9,
};

const [slowestBits, fastestBits] = [8e3, 1e12];

/** What the text of an option means. @throws EngineError `invalid`, naming the option and what is expected */
export function parseRate(option: string, text: string): Rate {
  if (text === 'none') return null;
  const [, number = '', unit = ''] = /^(\d{1,12}(?:\.\d{1,6})?)([a-z]+)(?:\/s)?$/i.exec(text) ?? [];
  const factor = Object.hasOwn(bitsPerUnit, unit.toLowerCase()) ? bitsPerUnit[unit.toLowerCase()] : undefined;
  const bits = Number(number) * (factor ?? Number.NaN);
  if (bits >= slowestBits && bits <= fastestBits) return Math.round(bits / 8);
  const shown = JSON.stringify(text.slice(0, 100));
  throw invalid(
    `invalid value ${shown} of ${option}: expected a rate from 8kbit to 1tbit such as 10mbit or 1.5mbyte, or none`,
  );
}

/** @throws EngineError `invalid` */
export function ratesIn(options: Readonly<Record<string, string>>, names: { in: string; out: string }): Rates {
  const [into, from] = [options[names.in], options[names.out]];
  return {
    ...(into === undefined ? {} : { in: parseRate(names.in, into) }),
    ...(from === undefined ? {} : { out: parseRate(names.out, from) }),
  };
}

/** What holds for an endpoint; undefined for no limit. */
export const effective = (own: Rates, network: Rates): { in: number | undefined; out: number | undefined } => ({
  in: (own.in === undefined ? network.in : own.in) ?? undefined,
  out: (own.out === undefined ? network.out : own.out) ?? undefined,
});

export const noRates: Rates = {};
