import type { OciProcess, OciSpec } from '../../spec/oci/runtime.ts';

/** RLIM_INFINITY, 2^64 - 1: a number that only raw JSON text can carry. */
const rlimInfinity = '18446744073709551615';

/** `JSON.rawJSON` of ECMAScript 2026, which TypeScript's library does not describe yet. */
const { rawJSON } = JSON as unknown as { rawJSON: (this: void, text: string) => unknown };

/** The JSON text of a spec or process file; `Infinity` becomes RLIM_INFINITY, and bigints are written in full. */
export function serializeSpec(spec: OciSpec | OciProcess): string {
  return JSON.stringify(spec, (_key, value: unknown) => {
    if (value === Infinity) return rawJSON(rlimInfinity);
    return typeof value === 'bigint' ? rawJSON(value.toString()) : value;
  });
}
