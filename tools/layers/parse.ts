import { parseSync } from 'oxc-parser';

export interface Import {
  readonly from: string;
  readonly line: number;
}

export interface Sized {
  readonly name: string;
  readonly line: number;
  /** Lines of a function, methods of a class (constructor and accessors are not counted). */
  readonly size: number;
}

/** What the checks need to know about one source file. */
export interface SourceFacts {
  readonly lines: number;
  readonly imports: readonly Import[];
  readonly functions: readonly Sized[];
  readonly classes: readonly Sized[];
  /** The file holds nothing but imports and re-exports. */
  readonly isBarrel: boolean;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

/**
 * Parses one TypeScript file.
 * @throws Error when the file has a syntax error.
 */
export function parseSource(path: string, text: string): SourceFacts {
  const parsed = parseSync(path, text);
  const failure = parsed.errors[0];
  if (failure !== undefined) throw new Error(`${path}: ${failure.message}`);
  const lineOf = lineCounter(text);
  const imports: Import[] = [];
  const functions: Sized[] = [];
  const classes: Sized[] = [];
  visit(parsed.program, (node, parent) => {
    const from = importSource(node);
    if (from !== undefined) imports.push({ from, line: lineOf(node.start) });
    if (isFunction(node)) {
      const size = lineOf(node.end) - lineOf(node.start) + 1;
      functions.push({ name: nameOf(node, parent), line: lineOf(node.start), size });
    }
    if (node.type === 'ClassDeclaration' || node.type === 'ClassExpression') {
      classes.push({ name: nameOf(node, parent), line: lineOf(node.start), size: methodCount(node) });
    }
  });
  const body = parsed.program.body as unknown as readonly Node[];
  return { lines: lineOf(text.length - 1), imports, functions, classes, isBarrel: isBarrel(body) };
}

function isBarrel(body: readonly Node[]): boolean {
  const imported = new Set<string>();
  let reexports = 0;
  for (const node of body) {
    if (node.type === 'ImportDeclaration') {
      for (const name of childNodes(node, 'specifiers')) imported.add(identifier(name['local']));
    } else if (node.type === 'ExportAllDeclaration') reexports++;
    else if (node.type === 'ExportNamedDeclaration' && isNode(node['source'])) reexports++;
    else if (node.type === 'ExportNamedDeclaration' && !isNode(node['declaration'])) {
      const names = childNodes(node, 'specifiers').map((name) => identifier(name['local']));
      if (!names.every((name) => imported.has(name))) return false;
      reexports += names.length;
    } else return false;
  }
  return reexports > 0;
}

function importSource(node: Node): string | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportAllDeclaration':
    case 'ExportNamedDeclaration':
    case 'ImportExpression':
    case 'TSImportType': {
      const source = node['source'];
      return isNode(source) && typeof source['value'] === 'string' ? source['value'] : undefined;
    }
    default:
      return undefined;
  }
}

const isFunction = (node: Node): boolean =>
  (node.type === 'FunctionDeclaration' ||
    node.type === 'FunctionExpression' ||
    node.type === 'ArrowFunctionExpression') &&
  isNode(node['body']);

function methodCount(node: Node): number {
  const body = node['body'];
  if (!isNode(body)) return 0;
  return childNodes(body, 'body').filter((member) => member.type === 'MethodDefinition' && member['kind'] === 'method')
    .length;
}

function nameOf(node: Node, parent: Node | undefined): string {
  const own = identifier(node['id']);
  if (own !== '') return own;
  return identifier(parent?.['key']) || identifier(parent?.['id']) || '(anonymous)';
}

function identifier(node: unknown): string {
  return isNode(node) && typeof node['name'] === 'string' ? node['name'] : '';
}

function childNodes(node: Node, field: string): readonly Node[] {
  const value = node[field];
  return Array.isArray(value) ? value.filter(isNode) : [];
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';

function visit(root: unknown, enter: (node: Node, parent: Node | undefined) => void): void {
  const pending: { value: unknown; parent: Node | undefined }[] = [{ value: root, parent: undefined }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, parent } = next;
    if (Array.isArray(value)) {
      for (const item of value) pending.push({ value: item, parent });
    } else if (isNode(value)) {
      enter(value, parent);
      for (const child of Object.values(value)) {
        if (typeof child === 'object' && child !== null) pending.push({ value: child, parent: value });
      }
    }
  }
}

/** Turns offsets (UTF-16 units) into line numbers, counted from 1. */
function lineCounter(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  };
}
