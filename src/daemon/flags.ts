import { codeOf, EngineError, invalid, messageOf } from '../base/errors.ts';
import { nearestName } from '../base/text/nearest.ts';
import { parseBinarySize } from '../base/text/units.ts';
import type { Setting, SettingValue, SettingValues } from './settings/setting.ts';
import { settings } from './settings/table.ts';

/**
 * Reads a command line in dockerd's grammar (`--flag value`, `--flag=value`, `-H value`, `-Hvalue`).
 * @throws EngineError `invalid` for an unknown flag, a missing or wrong value, or a stray argument.
 */
export function parseFlags(args: readonly string[]): SettingValues {
  const values = new Map<string, SettingValue>();
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (!arg.startsWith('-') || arg === '-' || arg === '--') throw invalid(`unexpected argument: ${arg}`);
    const { setting, name, text: own } = splitFlag(arg);
    const text = own ?? (setting.type === 'switch' ? 'true' : args[++at]);
    if (text === undefined) throw invalid(`flag needs an argument: ${name}`);
    try {
      values.set(setting.flag, valueOfFlag(setting, values.get(setting.flag), text));
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      throw invalid(`invalid argument ${JSON.stringify(text)} for ${name}: ${messageOf(error)}`, error);
    }
  }
  return values;
}

/** A flag and the value that is written into the same word, if any. */
function splitFlag(arg: string): { setting: Setting; name: string; text: string | undefined } {
  const equals = arg.indexOf('=');
  const name = equals < 0 ? arg : arg.slice(0, equals);
  const text = equals < 0 ? undefined : arg.slice(equals + 1);
  if (name.startsWith('--')) return { setting: findFlag(name), name, text };
  const short = settings.find((setting) => setting.short === arg[1]);
  if (short === undefined || arg.length === 2) return { setting: short ?? findFlag(name), name, text };
  if (arg[2] === '=') return { setting: short, name, text };
  return { setting: short, name: arg.slice(0, 2), text: arg.slice(2) };
}

function findFlag(name: string): Setting {
  const known = settings.filter((setting) => setting.keyOnly !== true);
  const bare = name.startsWith('--') ? name.slice(2) : name.slice(1);
  const found = known.find((setting) => (name.startsWith('--') ? setting.flag === bare : setting.short === bare));
  if (found !== undefined) return found;
  const nearest = nearestName(
    bare,
    known.map((setting) => setting.flag),
  );
  throw invalid(`unknown flag: ${name}${nearest === undefined ? '' : ` (did you mean --${nearest}?)`}`);
}

function valueOfFlag(setting: Setting, before: SettingValue | undefined, text: string): SettingValue {
  const earlier = (before as Record<string, unknown> | undefined) ?? {};
  switch (setting.type) {
    case 'text':
      return text;
    case 'switch':
      return booleanOf(text);
    case 'number':
      return integerOf(text);
    case 'bytes':
      return parseBinarySize(text);
    case 'list':
      return [...((before as readonly string[] | undefined) ?? []), text];
    case 'map':
      return { ...earlier, ...pairOf(text) };
    case 'switches':
      return { ...earlier, ...switchOf(text) };
    case 'objects':
      return setting.form?.fromFlag(earlier, text) ?? {};
  }
}

const truthy: ReadonlySet<string> = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const falsy: ReadonlySet<string> = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

function booleanOf(text: string): boolean {
  if (truthy.has(text)) return true;
  if (falsy.has(text)) return false;
  throw invalid('expected true or false');
}

function integerOf(text: string): number {
  const value = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw invalid('expected a whole number');
  return value;
}

function pairOf(text: string): Record<string, string> {
  const equals = text.indexOf('=');
  if (equals < 1) throw invalid('expected KEY=VALUE');
  return { [text.slice(0, equals)]: text.slice(equals + 1) };
}

/** `name=true`; a bare name turns it on. */
function switchOf(text: string): Record<string, boolean> {
  const equals = text.indexOf('=');
  return equals < 0 ? { [text]: true } : { [text.slice(0, equals)]: booleanOf(text.slice(equals + 1)) };
}

/**
 * Reads the text of a daemon.json; a byte order mark and an empty file are allowed, as in Docker.
 * @throws EngineError `invalid` for broken JSON, unknown keys (naming the nearest) and wrong types.
 */
export function parseConfigFile(text: string, path: string): SettingValues {
  const bare = (text.startsWith('\u{FEFF}') ? text.slice(1) : text).trim();
  if (bare === '') return new Map();
  let parsed: unknown;
  try {
    parsed = JSON.parse(bare);
  } catch (error) {
    throw invalid(`unable to read configuration file ${path}: invalid JSON: ${(error as Error).message}`, error);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw invalid(`unable to read configuration file ${path}: expected a JSON object`);
  }
  const values = new Map<string, SettingValue>();
  for (const [key, value] of flattened(parsed)) {
    const setting = settingOfKey(key, path);
    if (values.has(setting.flag)) {
      throw invalid(`configuration file ${path}: ${key} and ${setting.key} must not both be specified`);
    }
    values.set(setting.flag, checkedValue(setting, key, value, path));
  }
  return values;
}

/** Docker's file keeps the proxies in an object of their own. */
function flattened(parsed: object): [string, unknown][] {
  return Object.entries(parsed).flatMap(([key, value]) =>
    key === 'proxies' && typeof value === 'object' && value !== null ? Object.entries(value) : [[key, value]],
  );
}

function settingOfKey(key: string, path: string): Setting {
  const setting = settings.find((candidate) => candidate.key === key || candidate.oldKey === key);
  if (setting !== undefined) return setting;
  const nearest = nearestName(
    key,
    settings.flatMap((candidate) => candidate.key ?? []),
  );
  const hint = nearest === undefined ? '' : ` (did you mean ${JSON.stringify(nearest)}?)`;
  throw invalid(`configuration file ${path} has an unknown key: ${JSON.stringify(key)}${hint}`);
}

const isText = (item: unknown): item is string => typeof item === 'string';
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function checkedValue(setting: Setting, key: string, value: unknown, path: string): SettingValue {
  const wrong = (expected: string) =>
    invalid(`configuration file ${path}: ${JSON.stringify(key)} must be ${expected}, not ${shortly(value)}`);
  switch (setting.type) {
    case 'text':
      if (!isText(value)) throw wrong('a string');
      return value;
    case 'switch':
      if (typeof value !== 'boolean') throw wrong('true or false');
      return value;
    case 'number':
      if (!Number.isSafeInteger(value)) throw wrong('a whole number');
      return value as number;
    case 'bytes':
      if (!isText(value) && !Number.isSafeInteger(value)) throw wrong('a size');
      return typeof value === 'number' ? value : named(key, path, () => parseBinarySize(value as string));
    case 'list':
      // What once was one value may still be written as one.
      if (isText(value) && key === setting.oldKey) return [value];
      if (!Array.isArray(value) || !value.every(isText)) throw wrong('a list of strings');
      return value;
    case 'map':
      if (!isObject(value)) throw wrong('an object');
      if (setting.keyOnly !== true && !Object.values(value).every(isText)) throw wrong('an object of strings');
      return value;
    case 'switches':
      if (!isObject(value) || !Object.values(value).every((item) => typeof item === 'boolean')) {
        throw wrong('an object of true and false');
      }
      return value;
    case 'objects':
      return named(key, path, () => setting.form?.fromFile(value) ?? {});
  }
}

const shortly = (value: unknown): string => (JSON.stringify(value) ?? '').slice(0, 100);

/** Says which key of which file is meant by an error. */
function named<T>(key: string, path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (codeOf(error) !== 'invalid') throw error;
    throw invalid(`configuration file ${path}: ${JSON.stringify(key)}: ${messageOf(error)}`, error);
  }
}
