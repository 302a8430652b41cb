import { invalid, messageOf } from '../../base/errors.ts';
import { parseDecimalSize } from '../../base/text/units.ts';
import type { LogSettings, RotationLimits } from '../../spec/contract/logs.ts';
import { parseSwitch, parseWhole } from './numbers.ts';

const localBytes = 20 * 1024 * 1024;
const localFiles = 5;
/** For `json-file` without `max-size`: all of any usual log, and yet no container fills the disk with its output. */
const jsonFileBytes = 256 * 1024 * 1024;
const jsonFiles = 4;
/** While no engine rotates a file grows to this multiple of its size, and to so much at least: an engine is never so late. */
const guardFactor = 8;
const leastGuardBytes = 64 * 1024 * 1024;

/**
 * How much of a container's log is kept on disk: 1 GiB for `json-file` unless its options say otherwise, 100 MiB for
 * all others, whose options are `max-size` and `max-file` (`local`) or `cache-max-size` and `cache-max-file`.
 * @throws EngineError `invalid` in Docker's words.
 */
export function limitsOf({ driver, options }: LogSettings): RotationLimits {
  const limits =
    driver === 'json-file' ? jsonFileLimits(options) : localLimits(options, driver === 'local' ? '' : 'cache-');
  const { maxBytes } = limits;
  return {
    ...limits,
    guardBytes: Number.isFinite(maxBytes) ? Math.max(Math.ceil(maxBytes) * guardFactor, leastGuardBytes) : 0,
  };
}

function jsonFileLimits(options: LogSettings['options']): Omit<RotationLimits, 'guardBytes'> {
  const size = options['max-size'];
  const maxBytes = size === undefined ? jsonFileBytes : parseDecimalSize(size);
  if (maxBytes <= 0) throw invalid('max-size must be a positive number');
  const maxFiles = parseWhole(options['max-file'] ?? '1');
  if (maxFiles < 1) throw invalid('max-file cannot be less than 1');
  const compress = parseSwitch(options['compress'] ?? 'false');
  if (compress && (maxFiles === 1 || size === undefined)) {
    throw invalid('compress cannot be true when max-file is less than 2 or max-size is not set');
  }
  // Docker looks at the number of files only beside a size.
  return { maxBytes, maxFiles: size === undefined ? jsonFiles : maxFiles, compress };
}

function localLimits(options: LogSettings['options'], prefix: string): Omit<RotationLimits, 'guardBytes'> {
  const read = <T>(name: string, absent: T, what: string, parse: (text: string) => T): T => {
    const text = options[prefix + name];
    if (text === undefined) return absent;
    try {
      return parse(text);
    } catch (error) {
      throw invalid(`invalid ${what}: ${messageOf(error)}`, error);
    }
  };
  const named = (name: string) => `value for ${name}: ${(options[prefix + name] ?? '').slice(0, 100)}`;
  const maxBytes = read('max-size', localBytes, named('max-size'), parseDecimalSize);
  const maxFiles = read('max-file', localFiles, named('max-file'), parseWhole);
  const compress = read('compress', true, 'boolean value for compress', parseSwitch);
  if (maxFiles < 0) throw invalid('max-file must not be negative');
  if (compress && maxFiles <= 1) throw invalid('compression cannot be enabled when max file count is 1');
  // No size at all is no limit, as with Docker.
  return { maxBytes: maxBytes === 0 ? Number.POSITIVE_INFINITY : maxBytes, maxFiles: Math.max(1, maxFiles), compress };
}
