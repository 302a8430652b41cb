import type { FlagType } from '../flags/types.ts';

/** A flag that may be repeated, each time with several values parted by commas. */
export const wordsOf = (): FlagType<string[]> => ({
  name: 'strings',
  initial: [],
  parse: (text, current) => [...current, ...(text === '' ? [] : text.split(','))],
});
