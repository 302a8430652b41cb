import { rateOptions, totalRateOptions } from '../../spec/engine/network.ts';
import { flag, type FlagValues, types } from '../flags/types.ts';

/** Flags about the bandwidth of a network: rates such as `10mbit`, `none`, or nothing for what holds without them. */
export const rateFlags = {
  'rate-in': flag(types.string, 'What each container gets at most, unless it says itself: 10mbit, 1.5mbyte, none'),
  'rate-out': flag(types.string, 'What each container sends at most, unless it says itself'),
  'total-rate-in': flag(types.string, 'What the whole network gets at most from outside of it'),
  'total-rate-out': flag(types.string, 'What the whole network sends at most to the outside'),
};

const options = {
  'rate-in': rateOptions.in,
  'rate-out': rateOptions.out,
  'total-rate-in': totalRateOptions.in,
  'total-rate-out': totalRateOptions.out,
} as const satisfies Record<keyof typeof rateFlags, string>;

/** The options of a network behind the flags that were given. */
export const rateOptionsOf = (
  flags: FlagValues<typeof rateFlags>,
  given: ReadonlySet<string>,
): Record<string, string> =>
  Object.fromEntries(
    Object.entries(options).flatMap(([name, option]) =>
      given.has(name) ? [[option, flags[name as keyof typeof options]]] : [],
    ),
  );
