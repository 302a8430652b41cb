/** Variables as an expansion sees them. */
export interface Variables {
  /** The value of a variable; undefined when it is not set. */
  get(name: string): string | undefined;
  /** All names, for hints. */
  names(): Iterable<string>;
}

export const noVariables: Variables = { get: () => undefined, names: () => [] };

export const variablesOf = (values: ReadonlyMap<string, string>): Variables => ({
  get: (name) => values.get(name),
  names: () => values.keys(),
});
