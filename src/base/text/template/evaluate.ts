import { builtins, FunctionError } from './_functions.ts';
import type { TemplateFunction } from './_functions.ts';
import type { Node, Operand, Pipe, Template } from './nodes.ts';
import { TemplateError } from './nodes.ts';
import { parseTemplate } from './parse.ts';
import { isPlainObject, isTrue, nilMap, printValue, sortedEntries, Struct, TypedNil, typeNameOf } from './values.ts';

export interface EvaluateOptions {
  /** A key that a plain object lacks is an error (`missingkey=error`); else it prints `<no value>`. */
  readonly strictKeys?: boolean;
  /** Replaces or adds functions. */
  readonly functions?: ReadonlyMap<string, TemplateFunction>;
}

/** Parses a template against Docker's functions. @throws TemplateError */
export const parse = (source: string, extra?: ReadonlyMap<string, TemplateFunction>): Template =>
  parseTemplate(source, (name) => extra?.has(name) === true || builtins.has(name));

/** The text that `template` makes of `data`. @throws TemplateError worded as Go's. */
export function evaluate(template: Template, data: unknown, options: EvaluateOptions = {}): string {
  const run = new Run(template, data, options);
  run.nodes(template.body, data);
  return run.output;
}

class Stop extends Error {
  readonly kind: 'break' | 'continue';

  constructor(kind: 'break' | 'continue') {
    super(kind);
    this.kind = kind;
  }
}

class Run {
  output = '';
  readonly #template: Template;
  readonly #options: EvaluateOptions;
  #variables: [string, unknown][];
  #depth = 0;

  constructor(template: Template, data: unknown, options: EvaluateOptions) {
    this.#template = template;
    this.#options = options;
    this.#variables = [['$', data]];
  }

  nodes(nodes: readonly Node[], dot: unknown): void {
    for (const node of nodes) this.#node(node, dot);
  }

  #node(node: Node, dot: unknown): void {
    switch (node.kind) {
      case 'text':
        this.output += node.text;
        return;
      case 'action': {
        const value = this.#pipe(node.pipe, dot);
        if (node.pipe.variables.length === 0) this.output += value === undefined ? '<no value>' : topLevel(value);
        return;
      }
      case 'if':
      case 'with':
        this.#conditional(node, dot);
        return;
      case 'range':
        this.#range(node, dot);
        return;
      case 'template':
        this.#call(node, dot);
        return;
      default:
        throw new Stop(node.kind);
    }
  }

  #conditional(node: Extract<Node, { body: unknown }>, dot: unknown): void {
    const scope = this.#variables.length;
    const value = this.#pipe(node.pipe, dot);
    if (isTrue(value)) this.nodes(node.body, node.kind === 'with' ? value : dot);
    else this.nodes(node.otherwise, dot);
    this.#variables.length = scope;
  }

  #range(node: Extract<Node, { body: unknown }>, dot: unknown): void {
    const scope = this.#variables.length;
    const value = this.#pipe(node.pipe, dot);
    const entries = entriesOf(value);
    if (entries === undefined) throw this.#fail(node.pipe, `range can't iterate over ${printValue(value)}`);
    if (entries.length === 0) this.nodes(node.otherwise, dot);
    const [first, second] = node.pipe.variables;
    try {
      for (const [key, item] of entries) {
        this.#variables.length = scope;
        if (second !== undefined) this.#bind(first as string, key, node.pipe.assigns);
        const last = second ?? first;
        if (last !== undefined) this.#bind(last, item, node.pipe.assigns);
        try {
          this.nodes(node.body, item);
        } catch (error) {
          if (!(error instanceof Stop) || error.kind === 'break') throw error;
        }
      }
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
    }
    this.#variables.length = scope;
  }

  #call(node: Extract<Node, { kind: 'template' }>, dot: unknown): void {
    const body = this.#template.named.get(node.name);
    if (body === undefined) {
      throw this.#fail(
        { at: node.at, text: `{{template ${JSON.stringify(node.name)}}}` },
        `template ${JSON.stringify(node.name)} not defined`,
      );
    }
    if (this.#depth > 1000) throw new TemplateError('template: exceeded maximum template depth (1000)');
    const data = node.pipe === undefined ? undefined : this.#pipe(node.pipe, dot);
    const outer = this.#variables;
    this.#variables = [['$', data]];
    this.#depth++;
    this.nodes(body, data);
    this.#depth--;
    this.#variables = outer;
  }

  #bind(name: string, value: unknown, assigns: boolean): void {
    if (!assigns) {
      this.#variables.push([name, value]);
      return;
    }
    const variable = this.#variables.findLast(([known]) => known === name);
    if (variable !== undefined) variable[1] = value;
  }

  #pipe(pipe: Pipe, dot: unknown): unknown {
    let value: unknown;
    pipe.commands.forEach((command, index) => {
      value = this.#command(command, dot, index === 0 ? [] : [value]);
    });
    if (pipe.variables.length === 1) this.#bind(pipe.variables[0] as string, value, pipe.assigns);
    return value;
  }

  #command(operands: readonly Operand[], dot: unknown, final: readonly unknown[]): unknown {
    const head = operands[0] as Operand;
    if (head.kind === 'function') return this.#function(head, operands.slice(1), dot, final);
    const more = operands.length > 1 || final.length > 0;
    if (more && (head.kind === 'field' || head.path.length > 0)) {
      const args = [...operands.slice(1).map((operand) => this.#operand(operand, dot)), ...final];
      return this.#operand(head, dot, args);
    }
    if (more) throw this.#fail(head, `can't give argument to non-function ${head.text}`);
    if (head.kind === 'nil') throw this.#fail(head, 'nil is not a command');
    return this.#operand(head, dot);
  }

  #function(head: Operand, operands: readonly Operand[], dot: unknown, final: readonly unknown[]): unknown {
    const name = head.name as string;
    if (name === 'and' || name === 'or') return this.#logical(head, operands, dot, final);
    const call = this.#options.functions?.get(name) ?? builtins.get(name);
    if (call === undefined) throw this.#fail(head, `${JSON.stringify(name)} is not a defined function`);
    const args = [...operands.map((operand) => this.#operand(operand, dot)), ...final];
    try {
      return call(...args);
    } catch (error) {
      if (error instanceof FunctionError) {
        if (error.plain) throw this.#fail(head, error.message);
        const text = [head, ...operands].map((operand) => operand.text).join(' ');
        throw this.#fail({ at: head.at, text }, `error calling ${name}: ${error.message}`);
      }
      throw error;
    }
  }

  /** `and` and `or` stop at the first argument that decides. */
  #logical(head: Operand, operands: readonly Operand[], dot: unknown, final: readonly unknown[]): unknown {
    if (operands.length + final.length === 0) {
      throw this.#fail(head, `wrong number of args for ${head.name}: want at least 1 got 0`);
    }
    let value: unknown;
    for (const operand of operands) {
      value = this.#operand(operand, dot);
      if (isTrue(value) === (head.name === 'or')) return value;
    }
    return final.length > 0 ? final[0] : value;
  }

  #operand(operand: Operand, dot: unknown, args?: readonly unknown[]): unknown {
    let value: unknown;
    if (operand.kind === 'dot' || operand.kind === 'field') value = dot;
    else if (operand.kind === 'value') value = operand.value;
    else if (operand.kind === 'nil') value = null;
    else if (operand.kind === 'pipe') value = this.#pipe(operand.pipe as Pipe, dot);
    else if (operand.kind === 'function') return this.#function(operand, [], dot, []);
    else value = this.#variables.findLast(([name]) => name === operand.name)?.[1];
    operand.path.forEach((name, index) => {
      const last = index === operand.path.length - 1;
      try {
        value = fieldOf(value, name, last ? args : undefined, this.#options.strictKeys === true);
      } catch (error) {
        throw error instanceof FunctionError ? this.#fail(operand, error.message) : error;
      }
    });
    return value;
  }

  #fail(node: { at: number; text: string }, what: string): TemplateError {
    const before = this.#template.source.slice(0, node.at);
    const lineFrom = before.lastIndexOf('\n');
    const column = lineFrom < 0 ? node.at : node.at - lineFrom - 1;
    const line = before.split('\n').length;
    return new TemplateError(`template: :${line}:${column}: executing "" at <${node.text}>: ${what}`);
  }
}

/** Go prints a nil interface at the top of an action as `<no value>`. */
const topLevel = (value: unknown): string => (value === null ? '<no value>' : printValue(value));

/** What `range` goes over: index and element, or key and element; undefined for what cannot be gone over. */
function entriesOf(value: unknown): [unknown, unknown][] | undefined {
  if (value === null || value === undefined || value instanceof TypedNil) return [];
  if (Array.isArray(value)) return value.map((item, index) => [index, item]);
  if (typeof value === 'number') return Array.from({ length: Math.max(value, 0) }, (_, index) => [index, index]);
  return value instanceof Map || isPlainObject(value) ? sortedEntries(value) : undefined;
}

/** The field, key or method `name` of a value; `args` are those of a method. @throws FunctionError */
function fieldOf(value: unknown, name: string, args: readonly unknown[] | undefined, strictKeys: boolean): unknown {
  if (value instanceof Struct) {
    if (!value.fields.has(name)) throw new FunctionError(`can't evaluate field ${name} in type ${value.typeName}`);
    const field = value.fields.get(name);
    if (typeof field === 'function') return (field as (...values: unknown[]) => unknown)(...(args ?? []));
    if (args !== undefined) throw new FunctionError(`${name} has arguments but cannot be invoked as function`);
    return field;
  }
  if (args !== undefined) throw new FunctionError(`${name} is not a method but has arguments`);
  if (value instanceof Map) return value.get(name);
  if (value === nilMap) return undefined;
  if (isPlainObject(value)) {
    if (Object.hasOwn(value, name)) return value[name];
    if (strictKeys) throw new FunctionError(`map has no entry for key ${JSON.stringify(name)}`);
    return undefined;
  }
  if (value === undefined && !strictKeys) return undefined;
  if (value === undefined || value === null) throw new FunctionError(`nil pointer evaluating interface {}.${name}`);
  throw new FunctionError(`can't evaluate field ${name} in type ${typeNameOf(value)}`);
}
