import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { closeNetNamespace, createNetNamespace, inNetNamespace } from '../../sys/namespace/net.ts';
import { legacyTables } from '../../sys/nftables/legacy.ts';
import { type ForeignTable, foreignTables } from '../../sys/nftables/tables.ts';

/** Firewalls of other programs, as their own programs write them, for tests. */

export type Command = readonly [string, ...string[]];

export const has = (program: string): boolean => existsSync(`/usr/sbin/${program}`);
export const skip = process.getuid?.() !== 0 ? 'netfilter needs root' : has('nft') ? false : 'nft is not installed';

/** The tables that are there once these commands have run in an empty namespace. */
export function tablesAfter(commands: readonly Command[]): ForeignTable[] {
  const namespace = createNetNamespace();
  try {
    return inNetNamespace(namespace, () => {
      for (const [program, ...args] of commands) execFileSync(`/usr/sbin/${program}`, args, { stdio: 'pipe' });
      const hooks = ['forward', 'input'] as const;
      return [...foreignTables(hooks), ...legacyTables(hooks)];
    });
  } finally {
    closeNetNamespace(namespace);
  }
}

/** The text of tables in one line, with parentheses for the braces of sets. */
export const nft = (text: string): Command => ['nft', lines(text)];

/** As nft(8) wants it: one statement a line. */
const lines = (text: string): string =>
  text
    .replaceAll(/[{;] ?/g, (sign) => `${sign.trim()}\n`)
    .replaceAll('}', '\n}\n')
    .replaceAll('(', '{')
    .replaceAll(')', '}');
