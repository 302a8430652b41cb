/**
 * Writes src/runtime/profile/seccomp/_numbers.ts: the system call numbers of the processors that the security profile
 * knows, out of the kernel's own headers.
 *
 *     node tools/syscall-numbers/main.ts x86=/usr/include/x86_64-linux-gnu arm64=DIR arm=DIR
 *
 * Each argument names a directory of kernel headers (Debian: linux-libc-dev, and linux-libc-dev-arm64-cross and
 * linux-libc-dev-armhf-cross, which need no installation, only unpacking). Needs a C preprocessor.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

interface Source {
  readonly constant: string;
  readonly comment: string;
  /** Key of the argument with the header directory. */
  readonly headers: string;
  readonly header: string;
  readonly flags: readonly string[];
  /** Prefixes of the macros, taken off to get the name. */
  readonly prefixes: readonly string[];
}

const sources: readonly Source[] = [
  {
    constant: 'x86_64',
    comment: 'asm/unistd_64.h',
    headers: 'x86',
    header: 'asm/unistd_64.h',
    flags: [],
    prefixes: ['__NR_'],
  },
  {
    constant: 'i386',
    comment: 'asm/unistd_32.h',
    headers: 'x86',
    header: 'asm/unistd_32.h',
    flags: [],
    prefixes: ['__NR_'],
  },
  {
    constant: 'aarch64',
    comment: 'asm/unistd.h of arm64',
    headers: 'arm64',
    header: 'asm/unistd.h',
    flags: ['-D__aarch64__', '-D__LP64__'],
    prefixes: ['__NR_'],
  },
  {
    constant: 'arm',
    comment: 'asm/unistd.h of arm (EABI), with its private calls',
    headers: 'arm',
    header: 'asm/unistd.h',
    flags: ['-D__ARM_EABI__', '-D__arm__'],
    prefixes: ['__NR_', '__ARM_NR_'],
  },
];

/** Macros beside the numbers. */
const noCalls = new Set([
  'syscalls',
  'arch_specific_syscall',
  'OABI_SYSCALL_BASE',
  'SYSCALL_BASE',
  'BASE',
  'SYSCALL_MASK',
]);

/** Calls of Linux 6.5 to 6.13, newer than the headers; from 424 on, all processors number alike. */
const newer: readonly (readonly [string, number])[] = [
  ['cachestat', 451],
  ['fchmodat2', 452],
  ['map_shadow_stack', 453],
  ['futex_wake', 454],
  ['futex_wait', 455],
  ['futex_requeue', 456],
  ['statmount', 457],
  ['listmount', 458],
  ['lsm_get_self_attr', 459],
  ['lsm_set_self_attr', 460],
  ['lsm_list_modules', 461],
  ['mseal', 462],
  ['setxattrat', 463],
  ['getxattrat', 464],
  ['listxattrat', 465],
  ['removexattrat', 466],
];

function readNumbers(source: Source, directory: string): Map<string, number> {
  const flags = ['-undef', '-nostdinc', ...source.flags, '-I', directory, '-include', source.header];
  const preprocess = (input: string, ...more: string[]): string =>
    execFileSync('cc', ['-E', '-P', ...more, ...flags, '-x', 'c', '-'], { input, encoding: 'utf8' });
  const names: [string, string][] = [];
  for (const line of preprocess('', '-dM').split('\n')) {
    const macro = line.split(' ')[1] ?? '';
    const prefix = source.prefixes.find((one) => macro.startsWith(one));
    const name = prefix === undefined ? '' : macro.slice(prefix.length);
    if (name !== '' && !macro.includes('(') && !noCalls.has(name)) names.push([name, macro]);
  }
  const numbers = new Map<string, number>();
  for (const line of preprocess(names.map(([name, macro]) => `"${name}" ${macro}`).join('\n')).split('\n')) {
    const match = /^"(\w+)" ([0-9a-fx+() ]+)$/.exec(line);
    if (match !== null) numbers.set(match[1] ?? '', sumOf(match[2] ?? ''));
  }
  for (const [name, number] of newer) if (!numbers.has(name)) numbers.set(name, number);
  return numbers;
}

/** `(0x0f0000 + 5)` -> its value: the macros are sums only. */
const sumOf = (text: string): number =>
  text
    .replaceAll(/[() ]/g, '')
    .split('+')
    .reduce((sum, term) => sum + Number(term), 0);

/** Names in the order of their numbers; `@N` where the numbers jump. */
function encode(numbers: Map<string, number>): string[] {
  const words: string[] = [];
  let next = 0;
  for (const [name, number] of [...numbers].sort((a, b) => a[1] - b[1])) {
    if (number !== next) words.push(`@${number}`);
    words.push(name);
    next = number + 1;
  }
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    if (line.length + word.length > 112) {
      lines.push(line);
      line = '';
    }
    line += `${word} `;
  }
  return [...lines, line];
}

function main(): void {
  const directories = new Map(process.argv.slice(2).map((argument) => argument.split('=', 2) as [string, string]));
  const parts = sources.map((source) => {
    const directory = directories.get(source.headers);
    if (directory === undefined) throw new Error(`missing argument ${source.headers}=DIR`);
    const text = encode(readNumbers(source, directory)).map((line) => `  '${line}'`);
    return `/** ${source.comment} */\nexport const ${source.constant} =\n${text.join(' +\n')};\n`;
  });
  const head =
    '// Written by tools/syscall-numbers out of the headers of the Linux kernel: names in the order of their numbers,\n' +
    '// `@N` where the numbers jump. Numbers of system calls never change.\n\n';
  writeFileSync(join(import.meta.dirname, '../../src/runtime/profile/seccomp/_numbers.ts'), head + parts.join('\n'));
}

main();
