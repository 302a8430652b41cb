import { invalid } from '../base/errors.ts';
import type { ImageRunConfig } from '../spec/oci/image.ts';

/** The mutable form of a configuration while instructions change it. */
type RunConfig = { -readonly [Key in keyof ImageRunConfig]: ImageRunConfig[Key] };

/**
 * Applies the Dockerfile instructions of `docker import --change` and `docker commit --change` to a configuration:
 * CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR.
 * @throws EngineError `invalid` that quotes the instruction
 */
export function applyChanges(config: ImageRunConfig, changes: readonly string[]): ImageRunConfig {
  const changed: RunConfig = { ...config };
  const seen = new Set<string>();
  for (const change of changes.flatMap((text) => text.split('\n'))) {
    const line = change.trim();
    if (line === '' || line.startsWith('#')) continue;
    const space = firstSpace(line);
    const keyword = line.slice(0, space).toUpperCase();
    const rest = line.slice(space).trim();
    const apply = instructions.get(keyword);
    if (apply === undefined) throw invalid(`${keyword.slice(0, 50)} is not a valid change command`);
    if (rest === '') throw invalid(`${keyword} requires at least one argument`);
    apply(changed, rest);
    seen.add(keyword);
  }
  // A new entry point makes a command that was meant for the old one meaningless.
  if (seen.has('ENTRYPOINT') && !seen.has('CMD')) delete changed.Cmd;
  return changed;
}

type Instruction = (config: RunConfig, rest: string) => void;

const instructions: ReadonlyMap<string, Instruction> = new Map<string, Instruction>([
  ['CMD', (config, rest) => (config.Cmd = commandOf(config, rest))],
  ['ENTRYPOINT', (config, rest) => (config.Entrypoint = commandOf(config, rest))],
  ['ENV', (config, rest) => (config.Env = withEnvironment(config.Env ?? [], pairsOf('ENV', rest)))],
  ['LABEL', (config, rest) => (config.Labels = withEntries(config.Labels ?? {}, pairsOf('LABEL', rest)))],
  ['EXPOSE', (config, rest) => (config.ExposedPorts = withKeys(config.ExposedPorts, wordsOf(rest).map(portOf)))],
  ['VOLUME', (config, rest) => (config.Volumes = withKeys(config.Volumes, jsonArray(rest) ?? wordsOf(rest)))],
  ['USER', (config, rest) => (config.User = one('USER', rest))],
  ['WORKDIR', (config, rest) => (config.WorkingDir = joinPath(config.WorkingDir ?? '/', unquote(rest)))],
  ['STOPSIGNAL', (config, rest) => (config.StopSignal = one('STOPSIGNAL', rest))],
  ['ONBUILD', (config, rest) => (config.OnBuild = [...(config.OnBuild ?? []), rest])],
]);

const isSpace = (character: string): boolean => character === ' ' || character === '\t';

function firstSpace(text: string): number {
  for (let at = 0; at < text.length; at++) if (isSpace(text.charAt(at))) return at;
  return text.length;
}

/** The list of a JSON array of strings; undefined when the text is none. */
function jsonArray(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? (value as string[]) : undefined;
  } catch {
    return undefined;
  }
}

/** The exec form as it is, anything else for the shell. */
const commandOf = ({ Shell }: RunConfig, rest: string): readonly string[] =>
  jsonArray(rest) ?? [...(Shell ?? ['/bin/sh', '-c']), rest];

/** Words between white space; quotes and backslashes keep it, and are taken off. */
export function wordsOf(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (quote === '' && isSpace(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === quote) quote = '';
    else if (quote === '' && (character === '"' || character === "'")) {
      quote = character;
      word ??= '';
    } else if (character === '\\' && quote !== "'" && at + 1 < text.length) {
      word = (word ?? '') + text.charAt(++at);
    } else word = (word ?? '') + character;
  }
  if (quote !== '')
    throw invalid(
      `unexpected end of statement while looking for matching ${quote === '"' ? 'double-quote' : 'single-quote'}`,
    );
  if (word !== undefined) words.push(word);
  return words;
}

const unquote = (text: string): string => wordsOf(text).join(' ');

function one(keyword: string, rest: string): string {
  const [word, ...more] = wordsOf(rest);
  if (word === undefined || more.length > 0) throw invalid(`${keyword} requires exactly one argument`);
  return word;
}

/** `key=value ...`, or the old form `key value with spaces`. */
function pairsOf(keyword: string, rest: string): [key: string, value: string][] {
  const space = firstSpace(rest);
  if (!rest.slice(0, space).includes('=')) {
    const value = rest.slice(space).trim();
    if (value === '') throw invalid(`${keyword} must have two arguments`);
    return [[rest.slice(0, space), value]];
  }
  return wordsOf(rest).map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) {
      throw invalid(`Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`);
    }
    if (equals === 0) throw invalid(`${keyword} names can not be blank`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

function withEnvironment(env: readonly string[], pairs: readonly [string, string][]): string[] {
  const changed = [...env];
  for (const [key, value] of pairs) {
    const at = changed.findIndex((entry) => entry.startsWith(`${key}=`));
    if (at < 0) changed.push(`${key}=${value}`);
    else changed[at] = `${key}=${value}`;
  }
  return changed;
}

function withEntries(
  labels: Readonly<Record<string, string>>,
  pairs: readonly [string, string][],
): Record<string, string> {
  const changed: Record<string, string> = Object.assign(Object.create(null), labels);
  for (const [key, value] of pairs) changed[key] = value;
  return changed;
}

function withKeys(
  set: Readonly<Record<string, unknown>> | undefined,
  keys: readonly string[],
): Record<string, Record<string, never>> {
  const changed: Record<string, Record<string, never>> = Object.create(null);
  for (const key of Object.keys(set ?? {})) changed[key] = {};
  for (const key of keys) changed[key] = {};
  return changed;
}

/** `80`, `80/udp`, `8000-8010/tcp`; the protocol is tcp where it is left out. */
function portOf(text: string): string {
  const [ports = '', protocol = 'tcp', ...more] = text.split('/');
  const limits = ports.split('-').map((port) => (isPortNumber(port) ? Number(port) : Number.NaN));
  const [low = Number.NaN, high = low] = limits;
  if (
    more.length > 0 ||
    limits.length > 2 ||
    !(low <= high) ||
    !['tcp', 'udp', 'sctp'].includes(protocol.toLowerCase())
  ) {
    throw invalid(`invalid containerPort: ${text.slice(0, 100)}`);
  }
  return `${ports}/${protocol.toLowerCase()}`;
}

function isPortNumber(text: string): boolean {
  for (const character of text) if (character < '0' || character > '9') return false;
  return text !== '' && text.length <= 5 && Number(text) <= 65535;
}

/** A working directory, relative to the one before; `.` and `..` resolved by name alone. */
function joinPath(base: string, path: string): string {
  const parts: string[] = [];
  for (const part of (path.startsWith('/') ? path : `${base}/${path}`).split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}
