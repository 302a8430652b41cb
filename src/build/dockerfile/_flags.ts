import { DockerfileError, withNearest } from './error.ts';
import type { Range, Word } from './source.ts';
import type { Statement } from './statement.ts';

/** What a flag takes: nothing, true or false; one value; or a value each time it is given. */
export type FlagKind = 'switch' | 'text' | 'list';

export interface FlagValues {
  /** Undefined when it was not given. */
  switch(name: string): boolean | undefined;
  text(name: string): Word | undefined;
  list(name: string): readonly Word[];
}

/** Reads the flags of an instruction. @throws DockerfileError for one that it does not have, a missing or a wrong value */
export function readFlags({ flags }: Statement, known: Readonly<Record<string, FlagKind>>): FlagValues {
  const given = new Map<string, Word[]>();
  for (const flag of flags) {
    const equals = flag.text.indexOf('=');
    const written = equals < 0 ? flag.text : flag.text.slice(0, equals);
    const name = written.slice(2);
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (kind === undefined) throw unknownFlag(written, flag.range, Object.keys(known));
    const earlier = given.get(name);
    if (earlier !== undefined && kind !== 'list') throw wrong(`duplicate flag specified: ${written}`, flag.range);
    const value = equals < 0 ? undefined : flag.text.slice(equals + 1);
    const read = { text: checkedValue(kind, written, value, flag.range), range: flag.range };
    if (earlier === undefined) given.set(name, [read]);
    else earlier.push(read);
  }
  const last = (name: string) => given.get(name)?.at(-1);
  return {
    switch: (name) => (last(name) === undefined ? undefined : last(name)?.text === 'true'),
    text: last,
    list: (name) => given.get(name) ?? [],
  };
}

const wrong = (problem: string, range: Range, expected?: string): DockerfileError =>
  new DockerfileError(problem, range, { expected });

function unknownFlag(written: string, range: Range, known: readonly string[]): DockerfileError {
  const problem = withNearest(`unknown flag: ${written}`, written.slice(2), known);
  const all = known.map((name) => `--${name}`).join(', ');
  return wrong(problem, range, all === '' ? 'no flag: this instruction has none' : `one of ${all}`);
}

function checkedValue(kind: FlagKind, flag: string, value: string | undefined, range: Range): string {
  if (kind !== 'switch') {
    if (value === undefined) throw wrong(`missing a value on flag: ${flag}`, range, `${flag}=VALUE`);
    return value;
  }
  if (value === '') throw wrong(`missing a value on flag: ${flag}`, range, `${flag} or ${flag}=false`);
  const lower = (value ?? 'true').toLowerCase();
  if (lower === 'true' || lower === 'false') return lower;
  throw wrong(`expecting boolean value for flag ${flag}, not: ${value}`, range, 'true or false');
}
