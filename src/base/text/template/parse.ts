import { parseError, scanTemplate } from './_scan.ts';
import type { Piece, Token } from './_scan.ts';
import type { Node, Operand, Pipe, Template } from './nodes.ts';

/**
 * Parses a Go text/template. `knows` tells which functions exist.
 * @throws TemplateError worded as Go's parser.
 */
export function parseTemplate(source: string, knows: (name: string) => boolean): Template {
  const parser = new Parser(source, scanTemplate(source), knows);
  const body = parser.list('');
  return { source, body, named: parser.named };
}

type Ending = '' | 'end' | 'else';

class Parser {
  readonly named = new Map<string, readonly Node[]>();
  readonly #source: string;
  readonly #pieces: readonly Piece[];
  readonly #knows: (name: string) => boolean;
  #piece = 0;
  #loops = 0;
  #variables: string[] = ['$'];

  constructor(source: string, pieces: readonly Piece[], knows: (name: string) => boolean) {
    this.#source = source;
    this.#pieces = pieces;
    this.#knows = knows;
  }

  /** Nodes up to the end of the text (`inside` empty), or up to the action that ends the block `inside`. */
  list(inside: string): Node[] {
    return this.#block(inside).nodes;
  }

  #block(inside: string): { nodes: Node[]; ending: Ending; rest: readonly Token[] } {
    const nodes: Node[] = [];
    const scope = this.#variables.length;
    for (let piece = this.#pieces[this.#piece++]; piece !== undefined; piece = this.#pieces[this.#piece++]) {
      if (piece.kind === 'text') {
        nodes.push(piece);
        continue;
      }
      const word = piece.tokens[0];
      if (word?.kind === 'word' && (word.text === 'end' || word.text === 'else')) {
        if (inside === '') throw parseError(this.#source, word.at, `unexpected {{${word.text}}}`);
        this.#variables.length = scope;
        return { nodes, ending: word.text, rest: piece.tokens.slice(1) };
      }
      nodes.push(...this.#action(piece.at, piece.tokens));
    }
    if (inside !== '') throw parseError(this.#source, this.#source.length, 'unexpected EOF');
    return { nodes, ending: '', rest: [] };
  }

  #action(at: number, tokens: readonly Token[]): Node[] {
    const word = tokens[0] as Token;
    const rest = tokens.slice(1);
    switch (word.kind === 'word' ? word.text : '') {
      case 'if':
      case 'with':
      case 'range':
        return [this.#control(word.text as 'if' | 'with' | 'range', word.at, rest)];
      case 'break':
      case 'continue':
        if (this.#loops === 0) throw parseError(this.#source, at, `{{${word.text}}} outside {{range}}`);
        return [{ kind: word.text as 'break' | 'continue', at }];
      case 'define':
      case 'block':
      case 'template':
        return this.#named(word, rest);
      default:
        return [{ kind: 'action', at: word.at, pipe: this.#pipe(new Cursor(tokens), 'command') }];
    }
  }

  #control(kind: 'if' | 'with' | 'range', at: number, tokens: readonly Token[]): Node {
    const scope = this.#variables.length;
    const pipe = this.#pipe(new Cursor(tokens), kind);
    if (kind === 'range') this.#loops++;
    const { nodes, ending, rest } = this.#block(kind);
    if (kind === 'range') this.#loops--;
    let otherwise: Node[] = [];
    if (ending === 'else') {
      const next = rest[0];
      if (next?.kind === 'word' && (next.text === 'if' || next.text === 'with')) {
        otherwise = [this.#control(next.text, next.at, rest.slice(1))];
      } else {
        const last = this.#block(kind);
        if (last.ending !== 'end') throw parseError(this.#source, at, 'expected end; found {{else}}');
        otherwise = last.nodes;
      }
    }
    this.#variables.length = scope;
    return { kind, at, pipe, body: nodes, otherwise };
  }

  #named(word: Token, rest: readonly Token[]): Node[] {
    const name = rest[0];
    if (name?.kind !== 'value' || typeof name.value !== 'string') {
      throw parseError(this.#source, word.at, `unexpected ${describe(name)} in ${word.text} clause`);
    }
    if (word.text === 'define') {
      this.named.set(name.value, this.list('define'));
      return [];
    }
    const cursor = new Cursor(rest.slice(1));
    const pipe = cursor.peek().kind === 'end' ? undefined : this.#pipe(cursor, word.text);
    if (word.text === 'block') this.named.set(name.value, this.list('block'));
    return [{ kind: 'template', at: word.at, name: name.value, pipe }];
  }

  /** A pipeline up to the end of the action, or up to the right parenthesis. */
  #pipe(cursor: Cursor, context: string): Pipe {
    const first = cursor.peek();
    const { variables, assigns } = this.#declarations(cursor, context);
    const commands: Operand[][] = [];
    let command: Operand[] = [];
    for (;;) {
      const token = cursor.next();
      if (token.kind === 'end' || token.text === ')' || token.text === '|') {
        if (command.length === 0) {
          const what =
            commands.length === 0 && token.text !== '|' ? `missing value for ${context}` : 'missing value for command';
          throw parseError(this.#source, token.at, what);
        }
        commands.push(command);
        command = [];
        if (token.text !== '|') break;
        continue;
      }
      const operand = this.#operand(token, cursor);
      if (
        commands.length > 0 &&
        command.length === 0 &&
        ['value', 'dot', 'nil'].includes(operand.kind) &&
        operand.path.length === 0
      ) {
        throw parseError(this.#source, token.at, `non executable command in pipeline stage ${commands.length + 1}`);
      }
      command.push(operand);
    }
    const declared = variables.length === 0 ? '' : `${variables.join(', ')} ${assigns ? '=' : ':='} `;
    const text = declared + commands.map((operands) => operands.map((operand) => operand.text).join(' ')).join(' | ');
    return { at: first.at, text, variables, assigns, commands };
  }

  #declarations(cursor: Cursor, context: string): { variables: string[]; assigns: boolean } {
    const variables: string[] = [];
    const mark = cursor.mark();
    while (cursor.peek().kind === 'variable') {
      variables.push(cursor.next().text);
      const sign = cursor.peek().text;
      if (sign === ':=' || sign === '=') {
        cursor.next();
        if (sign === ':=') this.#variables.push(...variables);
        return { variables, assigns: sign === '=' };
      }
      if (sign !== ',' || context !== 'range' || variables.length > 1) break;
      cursor.next();
    }
    cursor.reset(mark);
    return { variables: [], assigns: false };
  }

  #operand(token: Token, cursor: Cursor): Operand {
    const path: string[] = token.kind === 'field' ? [token.text.slice(1)] : [];
    let pipe: Pipe | undefined;
    if (token.text === '(') pipe = this.#pipe(cursor, 'parenthesized pipeline');
    const chainable = token.kind === 'field' || token.kind === 'variable' || pipe !== undefined;
    while (chainable && cursor.peek().kind === 'field' && !cursor.peek().spaced) {
      path.push(cursor.next().text.slice(1));
    }
    const base = { at: token.at, path, text: textOf(token, path, pipe) };
    if (pipe !== undefined) return { ...base, kind: 'pipe', pipe };
    switch (token.kind) {
      case 'dot':
      case 'field':
        return { ...base, kind: token.kind };
      case 'value':
        return { ...base, kind: 'value', value: token.value };
      case 'variable':
        if (!this.#variables.includes(token.text)) {
          throw parseError(this.#source, token.at, `undefined variable ${JSON.stringify(token.text)}`);
        }
        return { ...base, kind: 'variable', name: token.text };
      case 'word':
        return this.#word(token, base);
      default:
        throw parseError(this.#source, token.at, `unexpected ${describe(token)} in operand`);
    }
  }

  #word(token: Token, base: { at: number; path: string[]; text: string }): Operand {
    if (token.text === 'true' || token.text === 'false')
      return { ...base, kind: 'value', value: token.text === 'true' };
    if (token.text === 'nil') return { ...base, kind: 'nil' };
    if (!this.#knows(token.text)) {
      throw parseError(this.#source, token.at, `function ${JSON.stringify(token.text)} not defined`);
    }
    return { ...base, kind: 'function', name: token.text };
  }
}

const describe = (token: Token | undefined): string =>
  token === undefined || token.kind === 'end' ? '"}}"' : `<${token.text}>`;

const textOf = (token: Token, path: readonly string[], pipe: Pipe | undefined): string => {
  const chain = path.map((name) => `.${name}`).join('');
  if (pipe !== undefined) return `(${pipe.text})${chain}`;
  return token.kind === 'field' ? chain : token.text + chain;
};

/** Walks over the tokens of one action; the last one is always of kind `end`. */
class Cursor {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  peek(): Token {
    return this.#tokens[Math.min(this.#at, this.#tokens.length - 1)] as Token;
  }

  next(): Token {
    const token = this.peek();
    this.#at++;
    return token;
  }

  mark(): number {
    return this.#at;
  }

  reset(mark: number): void {
    this.#at = mark;
  }
}
