import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

/** Each checker must fail on its planted violation, on an empty tree, and pass on a clean one. */
interface Checker {
  readonly name: string;
  readonly command: readonly string[];
  readonly violations: readonly { says: RegExp; files: Readonly<Record<string, string>> }[];
}

const root = join(import.meta.dirname, '..');
const configs = ['package.json', 'tsconfig.json', 'biome.json', '.oxlintrc.json', 'knip.json'];

const clean = {
  'src/bin/a.ts': `import { b } from '../base/b.ts';\n\nb();\n`,
  'src/base/b.ts': 'export function b(): void {}\n',
};

const checkers: readonly Checker[] = [
  {
    name: 'tsc',
    command: ['tsc', '--noEmit'],
    violations: [
      { says: /TS2322/, files: { 'src/bin/x.ts': `export const x: number = 'text';\n` } },
      { says: /TS18048|TS2532/, files: { 'src/bin/x.ts': 'export const x = (a: number[]): number => a[0] + 1;\n' } },
      { says: /TS1294/, files: { 'src/bin/x.ts': 'export enum X {\n  A,\n}\n' } },
    ],
  },
  {
    name: 'oxlint',
    command: ['oxlint', '--type-aware', '--deny-warnings', 'src'],
    violations: [
      { says: /no-floating-promises/, files: { 'src/bin/x.ts': 'async function f(): Promise<void> {}\nf();\n' } },
      { says: /no-explicit-any/, files: { 'src/bin/x.ts': 'export const x = (a: any): void => a;\n' } },
      {
        says: /no-cycle/,
        files: {
          'src/base/x.ts': `import { y } from './y.ts';\nexport const x = (): unknown => y;\n`,
          'src/base/y.ts': `import { x } from './x.ts';\nexport const y = (): unknown => x;\n`,
        },
      },
    ],
  },
  {
    name: 'biome',
    command: ['biome', 'format', 'src'],
    violations: [{ says: /would have printed/, files: { 'src/bin/x.ts': 'export const x = "double";\n' } }],
  },
  {
    name: 'knip',
    command: ['knip', '--include', 'files,exports'],
    violations: [
      { says: /Unused files[^]*src\/base\/x\.ts/, files: { 'src/base/x.ts': 'export const x = 1;\n' } },
      {
        says: /Unused exports[^]*unused/,
        files: { 'src/base/b.ts': 'export function b(): void {}\nexport const unused = 1;\n' },
      },
    ],
  },
];

function check(checker: Checker, files: Readonly<Record<string, string>>): { status: number | null; output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'checkers-'));
  try {
    for (const config of configs) cpSync(join(root, config), join(folder, config));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const part of ['src', 'tests', 'tools']) mkdirSync(join(folder, part));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const [program = '', ...args] = checker.command;
    const run = spawnSync(join(root, 'node_modules/.bin', program), args, { cwd: folder, encoding: 'utf8' });
    return { status: run.status, output: run.stdout + run.stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const checker of checkers) {
  test(`${checker.name} passes a clean tree`, () => {
    // knip's own complaints about patterns without a match are what makes an empty tree fail: not wanted here.
    const quiet =
      checker.name === 'knip' ? { ...checker, command: [...checker.command, '--no-config-hints'] } : checker;
    const { status, output } = check(quiet, clean);
    assert.equal(status, 0, output);
  });
  test(`${checker.name} fails on an empty tree`, () => {
    assert.notEqual(check(checker, {}).status, 0);
  });
  for (const { says, files } of checker.violations) {
    test(`${checker.name} finds ${says.source}`, () => {
      const { status, output } = check(checker, { ...clean, ...files });
      assert.notEqual(status, 0);
      assert.match(output, says);
    });
  }
}
