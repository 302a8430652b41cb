import { posix } from 'node:path';
import { type Import, parseSource, type SourceFacts } from './parse.ts';
import { bannedNames, ffiFolder, limits, outerFolders, rooms, roomsWithoutNode, widerClasses } from './table.ts';

export interface SourceFile {
  /** Relative to the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
}

export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/**
 * Checks every file against the layer table and the limits.
 * @param packages npm packages that shipped code may import (the `dependencies` of package.json)
 */
export function checkLayers(files: readonly SourceFile[], packages: ReadonlySet<string>): readonly Violation[] {
  const violations = [...checkWorkerNames(files)];
  for (const file of files) {
    const facts = parseSource(file.path, file.text);
    const report = (line: number, message: string) => violations.push({ path: file.path, line, message });
    checkNames(file.path, report);
    checkSizes(file.path, facts, report);
    for (const one of facts.imports) checkImport(file.path, one, packages, report);
  }
  return violations;
}

type Report = (line: number, message: string) => void;

function checkNames(path: string, report: Report): void {
  for (const segment of path.split('/')) {
    const stem = segment.split('.')[0] ?? '';
    const banned = stem.split(/[-_]/).find((word) => bannedNames.includes(word.toLowerCase()));
    if (banned !== undefined) report(1, `the name '${segment}' says nothing: '${banned}' is banned`);
  }
  const room = roomOf(path);
  if (path.startsWith('src/') && !rooms.some((known) => known.name === room)) {
    report(1, `'${room}' is no room of tools/layers/table.ts`);
  }
}

function checkSizes(path: string, facts: SourceFacts, report: Report): void {
  if (facts.isBarrel) report(1, 'a barrel: the file only passes on exports of other files');
  if (facts.lines > limits.fileLines) report(1, `${facts.lines} lines, at most ${limits.fileLines} are allowed`);
  for (const one of facts.classes) {
    if (one.size > limits.classMethods && !widerClasses.includes(path)) {
      report(one.line, `class ${one.name} has ${one.size} methods, at most ${limits.classMethods} are allowed`);
    }
  }
  // A test's `describe` block is a list, not a function to be understood in one piece.
  if (path.endsWith('.test.ts')) return;
  for (const one of facts.functions) {
    if (one.size > limits.functionLines) {
      report(one.line, `function ${one.name} has ${one.size} lines, at most ${limits.functionLines} are allowed`);
    }
  }
}

function checkImport(path: string, one: Import, packages: ReadonlySet<string>, report: Report): void {
  if (!one.from.startsWith('.')) return checkPackage(path, one, packages, report);
  const target = posix.join(posix.dirname(path), one.from);
  const privateFolder = privateTo(target);
  if (privateFolder !== undefined && posix.dirname(path) !== privateFolder && !path.startsWith(`${privateFolder}/_`)) {
    report(one.line, `${target} is private to ${privateFolder}/`);
  }
  if (!path.startsWith('src/')) return;
  if (!target.startsWith('src/')) {
    if (isTest(path) && target.startsWith('tests/')) return;
    return report(one.line, `${target} is no part of the program`);
  }
  const from = roomOf(path);
  const to = roomOf(target);
  if (from === to) return;
  const allowed = rooms.find((room) => room.name === from)?.mayImport ?? [];
  if (allowed.some((part) => target.startsWith(`src/${part}/`))) return;
  report(one.line, `${from} may not import ${to} (${target}); it may import: ${allowed.join(', ') || 'nothing'}`);
}

function checkPackage(path: string, one: Import, packages: ReadonlySet<string>, report: Report): void {
  if (one.from === 'node:ffi' && posix.dirname(path) !== ffiFolder) {
    return report(one.line, `only ${ffiFolder} may import node:ffi`);
  }
  if (!path.startsWith('src/') || isTest(path)) return;
  if (one.from.startsWith('node:')) {
    if (roomsWithoutNode.includes(roomOf(path))) report(one.line, `${roomOf(path)} may not import ${one.from}`);
    return;
  }
  const name = one.from
    .split('/')
    .slice(0, one.from.startsWith('@') ? 2 : 1)
    .join('/');
  if (!packages.has(name)) report(one.line, `'${name}' is not among the dependencies of package.json`);
}

/** Two workers of one name would overwrite each other: the bundle holds all workers in one flat folder. */
function checkWorkerNames(files: readonly SourceFile[]): readonly Violation[] {
  const seen = new Map<string, string>();
  const violations: Violation[] = [];
  for (const { path } of files) {
    if (!path.endsWith('.worker.ts')) continue;
    const name = posix.basename(path);
    const other = seen.get(name);
    if (other === undefined) seen.set(name, path);
    else violations.push({ path, line: 1, message: `${other} has the same name; names of workers are unique` });
  }
  return violations;
}

/** The folder that a private path belongs to: the parent of its first segment with a leading underscore. */
function privateTo(path: string): string | undefined {
  const segments = path.split('/');
  const at = segments.findIndex((segment) => segment.startsWith('_'));
  return at < 0 ? undefined : segments.slice(0, at).join('/');
}

const isTest = (path: string): boolean => path.endsWith('.test.ts');

/** `sys` for `src/sys/ffi/libc.ts`, `tests` for `tests/support/engine.ts`. */
function roomOf(path: string): string {
  const segments = path.split('/');
  return (outerFolders.includes(segments[0] ?? '') ? segments[0] : segments[1]) ?? '';
}
