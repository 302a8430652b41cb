import { invalid } from '../../base/errors.ts';
import { type Digest, tryDigest } from '../../base/ids.ts';

/** The most bytes of a manifest, index or configuration that are parsed; the limit registries have as well. */
export const largestDocument = 4 * 1024 * 1024;
const deepestNesting = 64;

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Parses one JSON object from bytes nobody vouches for: size and nesting are limited before anything is built, and
 * the text must be UTF-8. @throws EngineError `invalid` that names `what`.
 */
export function parseJsonObject(bytes: Uint8Array, what: string): JsonObject {
  if (bytes.length > largestDocument) throw invalid(`${what} is larger than the allowed ${largestDocument} bytes`);
  if (nesting(bytes) > deepestNesting) throw invalid(`${what} is nested deeper than ${deepestNesting} levels`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw invalid(`${what} is not valid JSON`, error);
  }
  return objectOf(value, what);
}

/** The deepest nesting of brackets outside strings; one pass, no allocation. */
function nesting(bytes: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (inString) {
      if (byte === 0x5c) at++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x5b || byte === 0x7b) deepest = Math.max(deepest, ++depth);
    else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return deepest;
}

/*
 * Readers of single fields. Go programs write `null` for empty lists, maps and even strings, so null is an absent
 * value everywhere; any other wrong type is an error that names the field.
 */

const isAbsent = (value: unknown): value is null | undefined => value === undefined || value === null;

export function objectOf(value: unknown, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`${what} must be an object`);
  return value as JsonObject;
}

export function optionalObject(value: unknown, what: string): JsonObject | undefined {
  return isAbsent(value) ? undefined : objectOf(value, what);
}

export function optionalString(value: unknown, what: string): string | undefined {
  if (isAbsent(value)) return undefined;
  if (typeof value !== 'string') throw invalid(`${what} must be a string`);
  return value;
}

export function requiredString(value: unknown, what: string): string {
  if (typeof value !== 'string' || value === '') throw invalid(`${what} must be a string that is not empty`);
  return value;
}

export function optionalBoolean(value: unknown, what: string): boolean | undefined {
  if (isAbsent(value)) return undefined;
  if (typeof value !== 'boolean') throw invalid(`${what} must be true or false`);
  return value;
}

/** A list of at most `most` entries, each read by `entry`; undefined when it is absent. */
export function optionalList<T>(
  value: unknown,
  what: string,
  most: number,
  entry: (value: unknown, what: string) => T,
): T[] | undefined {
  if (isAbsent(value)) return undefined;
  if (!Array.isArray(value)) throw invalid(`${what} must be a list`);
  if (value.length > most) throw invalid(`${what} has ${value.length} entries, at most ${most} are allowed`);
  return value.map((item, index) => entry(item, `${what}[${index}]`));
}

export function optionalStrings(value: unknown, what: string, most = 10_000): string[] | undefined {
  return optionalList(value, what, most, (item, name) => {
    if (typeof item !== 'string') throw invalid(`${name} must be a string`);
    return item;
  });
}

/** A map of strings, without a prototype, so that no key can collide with one. */
export function optionalStringMap(value: unknown, what: string): Record<string, string> | undefined {
  const object = optionalObject(value, what);
  if (object === undefined) return undefined;
  const map: Record<string, string> = Object.create(null);
  for (const [key, item] of Object.entries(object)) map[key] = optionalString(item, `${what}[${key}]`) ?? '';
  return map;
}

/** A map of which only the keys mean something (`ExposedPorts`, `Volumes`). */
export function optionalKeySet(value: unknown, what: string): Record<string, Record<string, never>> | undefined {
  const object = optionalObject(value, what);
  if (object === undefined) return undefined;
  const set: Record<string, Record<string, never>> = Object.create(null);
  for (const key of Object.keys(object)) set[key] = {};
  return set;
}

export function digestOf(value: unknown, what: string): Digest {
  const digest = typeof value === 'string' ? tryDigest(value) : undefined;
  if (digest === undefined) throw invalid(`${what} must be sha256: and 64 lower-case hex digits`);
  return digest;
}

/** The entries that are not undefined: the form `exactOptionalPropertyTypes` wants of optional fields. */
export function defined<T extends object>(fields: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) if (value !== undefined) kept[key] = value;
  return kept as { [Key in keyof T]: Exclude<T[Key], undefined> };
}
