/** The tree of a parsed template. `at` is the offset in the template's text, `text` how Go writes the node back. */
export interface Operand {
  readonly kind: 'dot' | 'field' | 'variable' | 'nil' | 'value' | 'function' | 'pipe';
  readonly at: number;
  readonly text: string;
  /** Field names that follow, outermost first: `.A.B`, `$x.A`, `(pipe).A`. */
  readonly path: readonly string[];
  /** Variable or function. */
  readonly name?: string;
  /** Constant of kind `value`. */
  readonly value?: unknown;
  readonly pipe?: Pipe;
}

export interface Pipe {
  readonly at: number;
  readonly text: string;
  /** Variables that take the result: one, or index and element in `range`. */
  readonly variables: readonly string[];
  /** `=` instead of `:=`. */
  readonly assigns: boolean;
  /** Each takes the result of the one before as its last argument. */
  readonly commands: readonly (readonly Operand[])[];
}

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly at: number; readonly pipe: Pipe }
  | {
      readonly kind: 'if' | 'with' | 'range';
      readonly at: number;
      readonly pipe: Pipe;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    }
  | { readonly kind: 'template'; readonly at: number; readonly name: string; readonly pipe: Pipe | undefined }
  | { readonly kind: 'break' | 'continue'; readonly at: number };

export interface Template {
  readonly source: string;
  readonly body: readonly Node[];
  /** Bodies of `define` and `block`. */
  readonly named: ReadonlyMap<string, readonly Node[]>;
}

/** A template that cannot be parsed or executed; the message is worded as Go words it. */
export class TemplateError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TemplateError';
  }
}
