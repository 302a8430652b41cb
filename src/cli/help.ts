import type { Command } from './command.ts';
import type { Entry } from './commands.ts';
import { describeFlags } from './flags/usage.ts';
import { globalFlags } from './globals.ts';

const rows = (entries: readonly (readonly [string, Entry])[]): string =>
  entries.map(([name, entry]) => `  ${name.padEnd(11)} ${entry.summary}\n`).join('');

const sections: readonly (readonly [Entry['section'], string])[] = [
  ['common', 'Common Commands'],
  ['management', 'Management Commands'],
  ['engine', 'Engine Commands'],
  [undefined, 'Commands'],
];

/** The help of `gantry` itself. */
export function topHelp(entries: Readonly<Record<string, Entry>>): string {
  let text = 'Usage:  gantry [OPTIONS] COMMAND\n\nRuns containers, with the commands and flags of docker\n';
  for (const [section, title] of sections) {
    text += `\n${title}:\n${rows(Object.entries(entries).filter(([, entry]) => entry.section === section))}`;
  }
  text += `\nGlobal Options:\n${describeFlags(globalFlags)}\n`;
  return `${text}\nRun 'gantry COMMAND --help' for more information on a command.\nNew here? 'gantry quickstart' shows it all at work.\n`;
}

/** The help of a group such as `gantry container`. */
export function groupHelp(path: string, entry: Entry): string {
  const names = Object.entries(entry.group ?? {});
  return `Usage:  ${path} COMMAND\n\n${entry.summary}\n\nCommands:\n${rows(names)}\nRun '${path} COMMAND --help' for more information on a command.\n`;
}

export const usageLine = (path: string, command: Command): string =>
  `${path}${command.usage === '' ? '' : ` ${command.usage}`}`;

/** The help of one command. */
export function commandHelp(path: string, command: Command): string {
  let text = `Usage:  ${usageLine(path, command)}\n\n${command.summary}\n`;
  if (command.details !== undefined) text += `\n${command.details}\n`;
  if (command.aliases !== undefined) text += `\nAliases:\n  ${command.aliases.join(', ')}\n`;
  const flags = describeFlags(command.flags);
  return flags === '' ? text : `${text}\nOptions:\n${flags}\n`;
}
