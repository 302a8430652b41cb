import type { FlagSet, FlagValues } from './flags/types.ts';
import type { Session } from './session.ts';

/** How many arguments a command takes. `most` is undefined for "any number". */
export interface ArgumentCount {
  readonly least: number;
  readonly most?: number;
}
export const noArguments: ArgumentCount = { least: 0, most: 0 };
export const exactly = (count: number): ArgumentCount => ({ least: count, most: count });
export const atLeast = (least: number): ArgumentCount => ({ least });
export const atMost = (most: number): ArgumentCount => ({ least: 0, most });

export interface Invocation<F extends FlagSet> {
  readonly session: Session;
  readonly flags: FlagValues<F>;
  /** Names of the flags that were given. */
  readonly given: ReadonlySet<string>;
  readonly args: readonly string[];
}

/** One command: what `--help` says of it, what it accepts, and what it does. */
export interface Command<F extends FlagSet = FlagSet> {
  /** What follows the command's name in its usage line: `[OPTIONS] IMAGE [COMMAND] [ARG...]`. */
  readonly usage: string;
  readonly summary: string;
  /** All its spellings, when there are several: `gantry container run`, `gantry run`. */
  readonly aliases?: readonly string[];
  readonly flags: F;
  readonly args: ArgumentCount;
  /** False: flags end at the first argument, and what follows belongs to the container's command. */
  readonly interspersed?: boolean;
  /** Everything after the command's name is an argument, `--help` too: it is for another program. */
  readonly passesAll?: boolean;
  /** More text for help, below the summary. */
  readonly details?: string;
  /** Resolves with the exit code. */
  run(invocation: Invocation<F>): Promise<number>;
}

/** Checks a command's types and forgets those of its flags, so that a table can hold commands of all kinds. */
export const defineCommand = <F extends FlagSet>(command: Command<F>): Command => command as unknown as Command;
