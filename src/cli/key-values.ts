import { readFileSync } from 'node:fs';
import { invalid } from '../base/errors.ts';
import type { Environment } from './config.ts';
import { CliError } from './errors.ts';

/** One `--env` value. @throws when it has no name. */
export function checkEnv(text: string): string {
  if (text === '' || text.startsWith('=')) throw invalid(`invalid environment variable: ${text}`);
  return text;
}

/** One `--label` value. @throws when it has no name. */
export function checkLabel(text: string): string {
  if (text === '' || text.startsWith('=')) throw invalid(`invalid label '${text}': empty name`);
  return text;
}

/** The lines of `--env-file`s, then `--env` itself; a name without value takes that of the own environment, if any. */
export function readEnvironment(files: readonly string[], values: readonly string[], env: Environment): string[] {
  const expand = (line: string): string[] => {
    if (line.includes('=')) return [line];
    const value = env[line];
    return value === undefined ? [] : [`${line}=${value}`];
  };
  const expandGiven = (line: string): string[] => {
    if (line.includes('=')) return [line];
    const value = env[line];
    return [value === undefined ? line : `${line}=${value}`];
  };
  return [...files.flatMap((file) => readLines(file).flatMap(expand)), ...values.flatMap(expandGiven)];
}

/** The lines of `--label-file`s, then `--label` itself. */
export const readLabels = (files: readonly string[], values: readonly string[]): string[] => [
  ...files.flatMap(readLines),
  ...values,
];

/** `NAME=VALUE` or `NAME` a line; `#` begins a comment line. @throws CliError naming the file. */
function readLines(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    const reason =
      code === 'ENOENT' ? 'no such file or directory' : code === 'EACCES' ? 'permission denied' : String(code);
    throw new CliError(`open ${path}: ${reason}`);
  }
  const lines: string[] = [];
  for (const raw of text.replace(/^\uFEFF/, '').split('\n')) {
    const line = (raw.endsWith('\r') ? raw.slice(0, -1) : raw).trimStart();
    if (line === '' || line.startsWith('#')) continue;
    const at = line.indexOf('=');
    const name = at < 0 ? line : line.slice(0, at);
    if (name === '') throw new CliError(`invalid env file (${path}): no variable name on line '${line}'`);
    if (/\s/.test(at < 0 ? name.trim() : name)) {
      throw new CliError(`invalid env file (${path}): variable '${name}' contains whitespaces`);
    }
    lines.push(at < 0 ? name.trim() : line);
  }
  return lines;
}

/** `name=value` texts as an object; later ones win. */
export function pairs(texts: readonly string[]): Record<string, string> {
  const object: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const text of texts) {
    const at = text.indexOf('=');
    object[at < 0 ? text : text.slice(0, at)] = at < 0 ? '' : text.slice(at + 1);
  }
  return object;
}
