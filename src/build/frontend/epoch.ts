import { invalid } from '../../base/errors.ts';

/** The end of the year 9999: later times have no usual form. */
const latestTime = 253_402_300_799;

/** Seconds since 1970 by which times are bounded (https://reproducible-builds.org/specs/source-date-epoch/). @throws `invalid` */
export function epochOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const seconds = Number(text);
  if (!/^\d{1,15}$/.test(text) || seconds > latestTime) {
    throw invalid(`invalid SOURCE_DATE_EPOCH ${JSON.stringify(text)}: expected seconds since 1970`);
  }
  return seconds;
}
