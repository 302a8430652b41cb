import { EngineError } from '../../base/errors.ts';

/**
 * Reads one type out of parsed JSON by the rules that Docker's clients know from Go: `null` and an absent field leave
 * the zero value, field names match whatever their case, unknown fields are ignored, and a wrong type is an error that
 * names the field: `invalid JSON: cannot unmarshal string into field HostConfig.Memory of type int64`.
 */
export interface Decoder<T> {
  /** What Go calls the type; shown in errors. */
  readonly type: string;
  /** The value of an absent field. */
  zero(): T;
  /** `value` is neither null nor undefined. @throws WrongType */
  read(value: {}): T;
}

/** A value of the wrong type; `path` grows from the inside out as it passes the decoders. */
class WrongType extends Error {
  readonly path: string[] = [];
  readonly got: string;
  readonly wanted: string;

  constructor(got: string, wanted: string) {
    super();
    this.got = got;
    this.wanted = wanted;
  }
}

/**
 * Decodes a whole body. @throws EngineError `invalid`, naming the field.
 */
export function decode<T>(decoder: Decoder<T>, value: unknown): T {
  try {
    return readOrZero(decoder, value);
  } catch (error) {
    if (!(error instanceof WrongType)) throw error;
    const where = error.path.length === 0 ? 'value' : `field ${error.path.reverse().join('.')}`;
    throw new EngineError(
      'invalid',
      `invalid JSON: cannot unmarshal ${error.got} into ${where} of type ${error.wanted}`,
    );
  }
}

const readOrZero = <T>(decoder: Decoder<T>, value: unknown): T =>
  value === null || value === undefined ? decoder.zero() : decoder.read(value);

function jsonTypeOf(value: {}): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  return typeof value;
}

const wrong = (value: {}, wanted: string): WrongType => new WrongType(jsonTypeOf(value), wanted);

function scalar<T>(type: string, zero: T, accepts: (value: {}) => value is T & {}): Decoder<T> {
  return {
    type,
    zero: () => zero,
    read(value) {
      if (accepts(value)) return value;
      throw wrong(value, type);
    },
  };
}

export const string: Decoder<string> = scalar<string>(
  'string',
  '',
  (value): value is string => typeof value === 'string',
);
export const boolean: Decoder<boolean> = scalar<boolean>(
  'bool',
  false,
  (value): value is boolean => typeof value === 'boolean',
);

/** Whole numbers between `min` and `max`, inclusive. */
function integer(type: string, min: number, max: number): Decoder<number> {
  return {
    type,
    zero: () => 0,
    read(value) {
      if (typeof value !== 'number') throw wrong(value, type);
      if (!Number.isInteger(value) || value < min || value > max) throw new WrongType(`number ${value}`, type);
      return value;
    },
  };
}

/** Beyond 2^53 a number is the nearest one that a double can hold: enough for "practically unlimited". */
export const int64 = integer('int64', -(2 ** 63), 2 ** 63);
export const uint64 = integer('uint64', 0, 2 ** 64);
export const uint32 = integer('uint32', 0, 2 ** 32 - 1);
export const uint16 = integer('uint16', 0, 65_535);

/** An optional field: absent, not zero, when it is left out. */
export function optional<T>(inner: Decoder<T>): Decoder<T | undefined> {
  return { type: inner.type, zero: () => undefined, read: (value) => inner.read(value) };
}

/** A field whose zero value is null. */
export function nullable<T>(inner: Decoder<T>): Decoder<T | null> {
  return { type: inner.type, zero: () => null, read: (value) => inner.read(value) };
}

/** An array; absent means empty. */
export function list<T>(item: Decoder<T>): Decoder<T[]> {
  const type = `[]${item.type}`;
  return {
    type,
    zero: () => [],
    read(value) {
      if (!Array.isArray(value)) throw wrong(value, type);
      return value.map((element: unknown, index) => at(String(index), () => readOrZero(item, element)));
    },
  };
}

/** An object with keys that the user chose: a null-prototype object; absent means empty. */
export function record<T>(item: Decoder<T>): Decoder<Record<string, T>> {
  const type = `map[string]${item.type}`;
  return {
    type,
    zero: () => Object.create(null) as Record<string, T>,
    read(value) {
      if (typeof value !== 'object' || Array.isArray(value)) throw wrong(value, type);
      const result = Object.create(null) as Record<string, T>;
      for (const [key, element] of Object.entries(value)) result[key] = at(key, () => readOrZero(item, element));
      return result;
    },
  };
}

/** A set written as an object with empty objects as values: `{"80/tcp": {}}`. */
export const nameSet: Decoder<Record<string, Record<string, never>>> = record({
  type: 'struct{}',
  zero: () => ({}),
  read(value: {}) {
    if (typeof value !== 'object' || Array.isArray(value)) throw wrong(value, 'struct{}');
    return {};
  },
});

/** A command line: an array of strings, or one string for a single word. */
export const words: Decoder<string[]> = {
  type: '[]string',
  zero: () => [],
  read: (value) => (typeof value === 'string' ? [value] : list(string).read(value)),
};

/** Exactly two unsigned numbers: rows and columns. */
export const pair: Decoder<[number, number]> = {
  type: '[2]uint',
  zero: () => [0, 0],
  read(value) {
    const [first = 0, second = 0] = list(uint32).read(value);
    return [first, second];
  },
};

/** A decoder for every field of `T`: optional fields may give undefined. */
export type Fields<T> = { readonly [K in keyof T]-?: Decoder<T[K]> };

/** An object with known fields; what is not listed is ignored. */
export function struct<T extends object>(type: string, fields: Fields<T>): Decoder<T> {
  const entries = Object.entries(fields) as [string, Decoder<unknown>][];
  const byName = new Map<string, [string, Decoder<unknown>]>();
  for (const entry of entries) byName.set(entry[0].toLowerCase(), entry);
  for (const entry of entries) byName.set(entry[0], entry);

  const zero = (): T => {
    const result: Record<string, unknown> = {};
    for (const [name, decoder] of entries) {
      const value = decoder.zero();
      if (value !== undefined) result[name] = value;
    }
    return result as T;
  };
  return {
    type,
    zero,
    read(value) {
      if (typeof value !== 'object' || Array.isArray(value)) throw wrong(value, type);
      const result = zero() as Record<string, unknown>;
      for (const [key, element] of Object.entries(value)) {
        if (element === null) continue;
        const field = byName.get(key) ?? byName.get(key.toLowerCase());
        if (field !== undefined) result[field[0]] = at(field[0], () => field[1].read(element as {}));
      }
      return result as T;
    },
  };
}

/** Runs `read`; when it fails, its error learns the name of the place. */
function at<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof WrongType) error.path.push(name);
    throw error;
  }
}
