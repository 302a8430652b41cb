import { messageOf } from '../base/errors.ts';
import type { ArgumentCount, Command } from './command.ts';
import { commands, findEntry } from './commands.ts';
import type { Entry } from './commands.ts';
import { configFolder, readConfig } from './config.ts';
import type { Environment } from './config.ts';
import { CliError } from './errors.ts';
import { FlagError, HelpWanted, parseFlags } from './flags/parse.ts';
import { parseGlobals } from './globals.ts';
import type { CommandLine } from './globals.ts';
import type { Output } from './output.ts';
import { Session } from './session.ts';
import { gantryVersion } from './version.ts';

/** Runs one command line (without the program's name); resolves with the exit code. */
export async function main(args: readonly string[], env: Environment, output: Output): Promise<number> {
  let line: CommandLine;
  try {
    line = parseGlobals(args);
  } catch (error) {
    if (error instanceof HelpWanted) return showTop(output);
    if (!(error instanceof FlagError)) throw error;
    output.text(2, usageError(error.message, 'gantry [OPTIONS] COMMAND [ARG...]', 'gantry'));
    return 125;
  }
  if (line.wantsVersion) {
    output.text(1, `Gantry version ${gantryVersion}\n`);
    return 0;
  }
  const config = await readConfig(configFolder(line.globals, env)).catch((error: unknown) => {
    output.text(2, `WARNING: ${messageOf(error)}\n`);
    return {};
  });
  const session = new Session(env, output, line.globals, config);
  try {
    return await dispatch(session, line.rest);
  } catch (error) {
    const message = messageOf(error);
    if (!(error instanceof CliError) || error.message !== '') output.text(2, `${message}\n`);
    return error instanceof CliError ? error.exitCode : 1;
  } finally {
    session.close();
  }
}

async function showTop(output: Output, fd: 1 | 2 = 1): Promise<number> {
  output.text(fd, (await import('./help.ts')).topHelp(commands));
  return 0;
}

const usageError = (message: string, usage: string, path: string): string =>
  `${message}\n\nUsage:  ${usage}\n\nRun '${path} --help' for more information\n`;

/** Walks down the groups to the command that the words name, and runs it. */
async function dispatch(session: Session, words: readonly string[]): Promise<number> {
  if (words[0] === 'help') return help(session, words.slice(1));
  let entries = commands;
  let path = 'gantry';
  for (let at = 0; ; at++) {
    const word = words[at];
    const group = at === 0 ? undefined : findEntryAt(words.slice(0, at));
    if (word === undefined || word === '--help' || word === '-h') {
      // Nobody asked for the help of a name alone: it is no result.
      const fd = word === undefined ? 2 : 1;
      if (group === undefined) return showTop(session.output, fd);
      session.output.text(fd, (await import('./help.ts')).groupHelp(path, group));
      return 0;
    }
    if (word.startsWith('-')) throw groupFlagError(word, path);
    const found = findEntry(entries, word);
    if (found === undefined) throw unknownCommand(path, word);
    path += ` ${found.name}`;
    entries = found.entry.group ?? {};
    const isGroup = found.entry.load === undefined || findEntry(entries, words[at + 1] ?? '') !== undefined;
    if (!isGroup) return runCommand(session, path, await loaded(found.entry), words.slice(at + 1));
  }
}

async function loaded({ load }: Entry): Promise<Command> {
  if (load === undefined) throw new CliError('there is no such command');
  return load();
}

function findEntryAt(words: readonly string[]): Entry | undefined {
  let entries = commands;
  let entry: Entry | undefined;
  for (const word of words) {
    entry = findEntry(entries, word)?.entry;
    if (entry === undefined) return undefined;
    entries = entry.group ?? {};
  }
  return entry;
}

function groupFlagError(word: string, path: string): CliError {
  const message = word.startsWith('--')
    ? `unknown flag: ${word.split('=')[0]}`
    : `unknown shorthand flag: '${word[1]}' in ${word}`;
  return new CliError(usageError(message, `${path} COMMAND`, path).trimEnd(), 125);
}

function unknownCommand(path: string, word: string): CliError {
  const usage = path === 'gantry' ? '' : `Usage:  ${path}\n\n`;
  return new CliError(`gantry: unknown command: ${path} ${word}\n\n${usage}Run '${path} --help' for more information`);
}

async function help(session: Session, words: readonly string[]): Promise<number> {
  const { commandHelp, groupHelp } = await import('./help.ts');
  if (words.length === 0) return showTop(session.output);
  const entry = findEntryAt(words);
  if (entry === undefined) throw new CliError(`unknown help topic: ${words.join(' ')}`);
  const path = `gantry ${words.join(' ')}`;
  session.out(entry.load === undefined ? groupHelp(path, entry) : commandHelp(path, await entry.load()));
  return 0;
}

async function runCommand(session: Session, path: string, command: Command, words: readonly string[]): Promise<number> {
  try {
    const own = command.passesAll === true ? ['--', ...words] : words;
    const { values, given, args } = parseFlags(command.flags, own, command.interspersed ?? true);
    checkCount(path, command, args.length);
    return await command.run({ session, flags: values, given, args });
  } catch (error) {
    if (error instanceof HelpWanted) {
      session.out((await import('./help.ts')).commandHelp(path, command));
      return 0;
    }
    if (!(error instanceof FlagError)) throw error;
    session.err(usageError(error.message, usageOf(path, command), path));
    return 125;
  }
}

const usageOf = (path: string, command: Command): string => (command.usage === '' ? path : `${path} ${command.usage}`);

function checkCount(path: string, command: Command, count: number): void {
  const { least, most } = command.args;
  if (count >= least && (most === undefined || count <= most)) return;
  const see = most === undefined ? 'See' : 'Run';
  throw new CliError(
    `gantry: '${path}' ${countRule(command.args)}\n\nUsage:  ${usageOf(path, command)}\n\n${see} '${path} --help' for more information`,
  );
}

function countRule({ least, most }: ArgumentCount): string {
  const noun = (count: number): string => (count === 1 ? 'argument' : 'arguments');
  if (most === 0) return 'accepts no arguments';
  if (most === undefined) return `requires at least ${least} ${noun(least)}`;
  if (least === most) return `requires ${least} ${noun(least)}`;
  if (least === 0) return `requires at most ${most} ${noun(most)}`;
  return `requires at least ${least} and at most ${most} ${noun(most)}`;
}
