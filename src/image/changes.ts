import { invalid } from '../base/errors.ts';
import { parseSignal } from '../base/text/signals.ts';
import type { ImageRunConfig } from '../spec/oci/image.ts';
import { healthcheckOf } from './_change-health.ts';
import { expandWord, isSpace, splitWords, type Variables } from './_change-words.ts';

/** The mutable form of a configuration while instructions change it. */
type RunConfig = { -readonly [Key in keyof ImageRunConfig]: ImageRunConfig[Key] };

/**
 * Applies the Dockerfile instructions of `docker import --change` and `docker commit --change` to a configuration:
 * CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR. Variables are replaced by
 * the environment that the configuration has so far, as in a Dockerfile.
 * @throws EngineError `invalid`, in Docker's words
 */
export function applyChanges(config: ImageRunConfig, changes: readonly string[]): ImageRunConfig {
  const changed: RunConfig = { ...config };
  const seen = new Set<string>();
  for (const line of linesOf(changes)) {
    const space = firstSpace(line);
    const keyword = line.slice(0, space).toUpperCase();
    const rest = line.slice(space).trim();
    const apply = instructions.get(keyword);
    if (apply === undefined) throw invalid(`${keyword.slice(0, 50)} is not a valid change command`);
    if (keyword !== 'HEALTHCHECK') refuseFlags(rest);
    apply(changed, rest, environmentOf(changed));
    seen.add(keyword);
  }
  if (changes.length > 0 && seen.size === 0) throw invalid('file with no instructions');
  // A new entry point makes a command that was meant for the old one meaningless.
  if (seen.has('ENTRYPOINT') && !seen.has('CMD')) delete changed.Cmd;
  return changed;
}

/** The instructions, one a line: without comments, and with lines joined that end in a backslash. */
function linesOf(changes: readonly string[]): string[] {
  const lines: string[] = [];
  let begun = '';
  for (const text of changes.flatMap((change) => change.split('\n'))) {
    const line = begun === '' ? text.trim() : text.trimEnd();
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    begun += line;
    if (begun.endsWith('\\')) begun = begun.slice(0, -1);
    else {
      lines.push(begun);
      begun = '';
    }
  }
  if (begun !== '') lines.push(begun);
  return lines;
}

/** No instruction but HEALTHCHECK has any here; a word `--` ends them. */
function refuseFlags(rest: string): void {
  const word = rest.slice(0, firstSpace(rest));
  if (!word.startsWith('--') || word === '--') return;
  throw invalid(`unknown flag: ${word.split('=', 1)[0]?.slice(0, 100)}`);
}

const environmentOf =
  ({ Env = [] }: RunConfig): Variables =>
  (name) =>
    Env.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);

type Instruction = (config: RunConfig, rest: string, variables: Variables) => void;

const instructions: ReadonlyMap<string, Instruction> = new Map<string, Instruction>([
  ['CMD', (config, rest) => setList(config, 'Cmd', rest === '' ? shellOf(config) : commandOf(config, rest))],
  ['ENTRYPOINT', (config, rest) => setList(config, 'Entrypoint', rest === '' ? [] : commandOf(config, rest))],
  [
    'ENV',
    (config, rest, variables) => (config.Env = withEnvironment(config.Env ?? [], pairsOf('ENV', rest, variables))),
  ],
  [
    'LABEL',
    (config, rest, variables) => (config.Labels = withEntries(config.Labels ?? {}, pairsOf('LABEL', rest, variables))),
  ],
  [
    'EXPOSE',
    (config, rest, variables) =>
      (config.ExposedPorts = withKeys(config.ExposedPorts, wordsOf('EXPOSE', rest, variables).flatMap(portsOf))),
  ],
  ['VOLUME', (config, rest, variables) => (config.Volumes = withKeys(config.Volumes, volumesOf(rest, variables)))],
  ['USER', (config, rest, variables) => (config.User = one('USER', rest, variables))],
  [
    'WORKDIR',
    (config, rest, variables) =>
      (config.WorkingDir = joinPath(config.WorkingDir ?? '/', one('WORKDIR', rest, variables))),
  ],
  ['STOPSIGNAL', (config, rest, variables) => (config.StopSignal = signalOf(one('STOPSIGNAL', rest, variables)))],
  ['ONBUILD', (config, rest) => (config.OnBuild = [...(config.OnBuild ?? []), triggerOf(rest)])],
  ['HEALTHCHECK', (config, rest) => (config.Healthcheck = healthcheckOf(rest, jsonArray))],
]);

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

const shellOf = ({ Shell }: RunConfig): readonly string[] => Shell ?? ['/bin/sh', '-c'];

/** The exec form as it is, anything else for the shell. */
const commandOf = (config: RunConfig, rest: string): readonly string[] => jsonArray(rest) ?? [...shellOf(config), rest];

function setList(config: RunConfig, key: 'Cmd' | 'Entrypoint', words: readonly string[]): void {
  if (words.length === 0) delete config[key];
  else config[key] = words;
}

function wordsOf(keyword: string, rest: string, variables: Variables): string[] {
  if (rest === '') throw invalid(`${keyword} requires at least one argument`);
  return splitWords(rest).map((word) => expandWord(word, variables));
}

function volumesOf(rest: string, variables: Variables): readonly string[] {
  const paths = jsonArray(rest)?.map((word) => expandWord(word, variables)) ?? wordsOf('VOLUME', rest, variables);
  if (paths.length === 0) throw invalid('VOLUME requires at least one argument');
  if (paths.includes('')) throw invalid('VOLUME specified can not be an empty string');
  return paths;
}

function one(keyword: string, rest: string, variables: Variables): string {
  if (rest === '') throw invalid(`${keyword} requires exactly one argument`);
  return expandWord(rest, variables);
}

function signalOf(text: string): string {
  parseSignal(text);
  return text;
}

function triggerOf(rest: string): string {
  const keyword = rest.slice(0, firstSpace(rest)).toUpperCase();
  if (keyword === '') throw invalid('ONBUILD requires at least one argument');
  if (keyword === 'ONBUILD') throw invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (keyword === 'FROM' || keyword === 'MAINTAINER') throw invalid(`${keyword} isn't allowed as an ONBUILD trigger`);
  return rest;
}

/** `key=value ...`, or the old form `key value with spaces`. */
function pairsOf(keyword: string, rest: string, variables: Variables): [key: string, value: string][] {
  if (rest === '') throw invalid(`${keyword} requires at least one argument`);
  const space = firstSpace(rest);
  if (!rest.slice(0, space).includes('=')) {
    const value = rest.slice(space).trim();
    if (value === '') throw invalid(`${keyword} must have two arguments`);
    return [[expandWord(rest.slice(0, space), variables), expandWord(value, variables)]];
  }
  return splitWords(rest).map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) {
      throw invalid(`Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`);
    }
    if (equals === 0) throw invalid(`${keyword} names can not be blank`);
    return [expandWord(word.slice(0, equals), variables), expandWord(word.slice(equals + 1), variables)];
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

/** `80`, `80/udp`, `8000-8010/tcp`, `127.0.0.1:8080:80` (of which only the last counts); tcp where nothing is said. */
function portsOf(text: string): string[] {
  const [binding = '', protocol = 'tcp', ...more] = text.split('/');
  const ports = binding.slice(binding.lastIndexOf(':') + 1);
  const limits = ports.split('-').map((port) => (isPortNumber(port) ? Number(port) : Number.NaN));
  const [low = Number.NaN, high = low] = limits;
  if (more.length > 0 || limits.length > 2 || !(low <= high)) {
    throw invalid(`Invalid containerPort: ${text.slice(0, 100)}`);
  }
  if (!['tcp', 'udp', 'sctp'].includes(protocol.toLowerCase()))
    throw invalid(`Invalid proto: ${protocol.slice(0, 100)}`);
  return Array.from({ length: high - low + 1 }, (_, at) => `${low + at}/${protocol.toLowerCase()}`);
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
