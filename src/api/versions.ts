import { invalid } from '../base/errors.ts';
import { isDecimal } from '../base/text/digits.ts';

/** The API versions that are spoken, 1.x. */
export const minMinor = 24;
export const maxMinor = 55;
export const minApiVersion = `1.${minMinor}`;
export const maxApiVersion = `1.${maxMinor}`;

/**
 * Takes a leading `/v1.NN` off a path. Without one the newest version is meant; `minor` is its number behind the dot.
 * @param oldest the minor version below which clients are refused
 * Saving and loading images takes clients from 1.22 on where nothing else was wished.
 * @throws EngineError `invalid` for versions that are not spoken, in Docker's words.
 */
export function splitVersion(path: string, oldest = minMinor): { minor: number; path: string } {
  if (!path.startsWith('/v')) return { minor: maxMinor, path };
  const end = path.indexOf('/', 1);
  const version = end < 0 ? '' : path.slice(2, end);
  const dot = version.indexOf('.');
  const major = version.slice(0, dot);
  const minor = version.slice(dot + 1);
  if (dot < 0 || !isDecimal(major) || !isDecimal(minor) || version.length > 12) return { minor: maxMinor, path };
  const rank = Number(major) * 1000 + Number(minor);
  if (rank > 1000 + maxMinor) {
    throw invalid(`client version ${version} is too new. Maximum supported API version is ${maxApiVersion}`);
  }
  const rest = path.slice(end);
  if (rank < 1000 + oldest) {
    if (oldest === minMinor && rank >= 1000 + archivesMinor && isOfArchives(rest))
      return { minor: minMinor, path: rest };
    throw invalid(
      `client version ${version} is too old. Minimum supported API version is 1.${oldest}, please upgrade your client to a newer version`,
    );
  }
  return { minor: Number(minor), path: rest };
}

/**
 * skopeo and podman of Debian 12 ask for 1.22 when they take images out of a Docker engine or put them there, whatever it
 * speaks; these operations have not changed between then and 1.24.
 */
const archivesMinor = 22;

const isOfArchives = (path: string): boolean =>
  path === '/images/load' || (path.startsWith('/images/') && path.endsWith('/get')) || path === '/images/get';

/**
 * The oldest minor version that an operator wants spoken, of `1.NN`; the oldest that there is without a wish.
 * @throws EngineError `invalid` in Docker's words.
 */
export function minApiMinorOf(wanted: string | undefined): number {
  if (wanted === undefined || wanted === '') return minMinor;
  if (wanted.toLowerCase().startsWith('v')) throw invalid('API version must be provided without "v" prefix');
  const [major = '', minor = '', more] = wanted.split('.');
  if (major !== '1' || !isDecimal(minor) || more !== undefined) {
    throw invalid(`invalid minimum API version ${JSON.stringify(wanted.slice(0, 20))}: expected 1.NN`);
  }
  const number = Number(minor);
  if (number < minMinor) throw invalid(`minimum supported API version is ${minApiVersion}: ${wanted}`);
  if (number > maxMinor) throw invalid(`maximum supported API version is ${maxApiVersion}: ${wanted}`);
  return number;
}
