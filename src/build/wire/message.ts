/**
 * Messages of Protocol Buffers (proto3, https://protobuf.dev/programming-guides/encoding/) as tables: a field's name here,
 * its number, its type, and whether it is repeated or a map with string keys. Only types that the builder's protocols
 * have. Messages do not contain themselves, so a table also bounds how deep an encoded message can be.
 */
export type Scalar =
  /** UTF-8. */
  | 'string'
  /** A string with one char a byte: names of files need not be UTF-8. */
  | 'name'
  | 'bytes'
  | 'bool'
  /** Any integer type without zigzag, as a number: what does not fit into 53 bits is refused. */
  | 'int'
  /** int64 as a bigint. */
  | 'big';

export type Field =
  | readonly [number: number, type: Scalar | Table]
  | readonly [number: number, type: Scalar | Table, shape: 'list' | 'map'];

export interface Table {
  readonly [name: string]: Field;
}

type Value<T> = T extends 'string' | 'name'
  ? string
  : T extends 'bytes'
    ? Uint8Array
    : T extends 'bool'
      ? boolean
      : T extends 'int'
        ? number
        : T extends 'big'
          ? bigint
          : T extends Table
            ? Message<T>
            : never;

type DraftValue<T> = T extends Table ? Draft<T> : Value<T>;

type Decoded<F> = F extends readonly [number, infer T, 'list']
  ? readonly Value<T>[]
  : F extends readonly [number, infer T, 'map']
    ? ReadonlyMap<string, Value<T>>
    : F extends readonly [number, infer T]
      ? T extends Table
        ? Message<T> | undefined
        : Value<T>
      : never;

type Drafted<F> = F extends readonly [number, infer T, 'list']
  ? readonly DraftValue<T>[]
  : F extends readonly [number, infer T, 'map']
    ? ReadonlyMap<string, DraftValue<T>>
    : F extends readonly [number, infer T]
      ? DraftValue<T>
      : never;

/** What decoding gives: fields that were not sent have their type's zero; messages are undefined then. */
export type Message<T extends Table> = { readonly [Name in keyof T]: Decoded<T[Name]> };

/** What can be encoded: what is left out is not sent. */
export type Draft<T extends Table> = { readonly [Name in keyof T]?: Drafted<T[Name]> | undefined };
