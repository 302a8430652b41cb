import { messageOf } from '../../base/errors.ts';
import type { Flag, FlagSet, FlagValues } from './types.ts';

/** A flag that cannot be understood; the caller adds the usage line. */
export class FlagError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FlagError';
  }
}

/** The user asked for help (`--help`). */
export class HelpWanted extends Error {
  constructor() {
    super('help wanted');
    this.name = 'HelpWanted';
  }
}

export interface Parsed<F extends FlagSet> {
  readonly values: FlagValues<F>;
  /** Names of the flags that were given. */
  readonly given: ReadonlySet<string>;
  readonly args: string[];
}

/**
 * Reads a command line in the grammar of Docker's flags: `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`,
 * switches joined (`-it`), `--` ends the flags. With `interspersed` false the first argument ends them too.
 * @throws FlagError, worded as Docker does; HelpWanted for `--help`.
 */
export function parseFlags<F extends FlagSet>(flags: F, args: readonly string[], interspersed = true): Parsed<F> {
  const state = new FlagState(flags);
  const rest: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] as string;
    if (arg === '--') {
      rest.push(...args.slice(at + 1));
      break;
    }
    if (arg.length < 2 || arg[0] !== '-') {
      rest.push(arg);
      if (interspersed) continue;
      rest.push(...args.slice(at + 1));
      break;
    }
    const next = args[at + 1];
    const takesNext = arg[1] === '-' ? state.long(arg, next) : state.shorts(arg, next);
    if (takesNext) at++;
  }
  return { values: state.values as FlagValues<F>, given: state.given, args: rest };
}

class FlagState {
  readonly values: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  readonly given = new Set<string>();
  readonly #flags: FlagSet;
  readonly #byShort = new Map<string, string>();

  constructor(flags: FlagSet) {
    this.#flags = flags;
    for (const [name, flag] of Object.entries(flags)) {
      if (flag.alias === '') this.values[name] = flag.type.initial as unknown;
      if (flag.short !== '') this.#byShort.set(flag.short, name);
    }
  }

  /** `--name`, `--name=value`; true when it took the next argument. */
  long(arg: string, next: string | undefined): boolean {
    const equals = arg.indexOf('=');
    const name = equals < 0 ? arg.slice(2) : arg.slice(2, equals);
    if (name === '' || name[0] === '-' || name[0] === '=') throw new FlagError(`bad flag syntax: ${arg}`);
    const flag = Object.hasOwn(this.#flags, name) ? this.#flags[name] : undefined;
    if (flag === undefined) {
      if (name === 'help') throw new HelpWanted();
      throw new FlagError(`unknown flag: --${name}`);
    }
    if (equals >= 0) return this.#set(name, flag, arg.slice(equals + 1), false);
    if (flag.type.bare !== undefined) return this.#set(name, flag, flag.type.bare, false);
    if (next === undefined) throw new FlagError(`flag needs an argument: --${name}`);
    return this.#set(name, flag, next, true);
  }

  /** `-abc`: switches, the last of which may take a value; true when it took the next argument. */
  shorts(arg: string, next: string | undefined): boolean {
    for (let at = 1; at < arg.length; at++) {
      const letter = arg[at] as string;
      const name = this.#byShort.get(letter);
      const flag = name === undefined ? undefined : this.#flags[name];
      if (name === undefined || flag === undefined) {
        if (letter === 'h') throw new HelpWanted();
        throw new FlagError(`unknown shorthand flag: '${letter}' in -${arg.slice(at)}`);
      }
      const rest = arg.slice(at + 1);
      if (rest.length > 1 && rest[0] === '=') return this.#set(name, flag, rest.slice(1), false);
      if (flag.type.bare !== undefined) this.#set(name, flag, flag.type.bare, false);
      else if (rest !== '') return this.#set(name, flag, rest, false);
      else if (next === undefined) throw new FlagError(`flag needs an argument: '${letter}' in -${arg.slice(at)}`);
      else return this.#set(name, flag, next, true);
    }
    return false;
  }

  #set(name: string, flag: Flag<unknown>, text: string, tookNext: boolean): boolean {
    const target = flag.alias === '' ? name : flag.alias;
    const owner = this.#flags[target] as Flag<unknown>;
    try {
      this.values[target] = owner.type.parse(text, this.values[target]);
    } catch (error) {
      const shown = flag.short === '' ? `--${name}` : `-${flag.short}, --${name}`;
      throw new FlagError(
        `invalid argument ${JSON.stringify(text)} for ${JSON.stringify(shown)} flag: ${messageOf(error)}`,
      );
    }
    this.given.add(target);
    return tookNext;
  }
}
