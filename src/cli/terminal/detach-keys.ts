import { CliError } from '../errors.ts';

/** What detaches from a container unless the user chose other keys: Ctrl-P, Ctrl-Q. */
export const defaultDetachKeys: readonly number[] = [16, 17];

/**
 * The bytes of a sequence as users write it: single characters and `ctrl-x`, separated by commas.
 * @throws CliError when a key is neither.
 */
export function parseDetachKeys(text: string): number[] {
  if (text === '') return [...defaultDetachKeys];
  return text.split(',').map((key) => {
    if (key.length === 1) return key.charCodeAt(0);
    const control = key.toLowerCase().startsWith('ctrl-') ? key.slice(5).toUpperCase() : '';
    const code = control.length === 1 ? '@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_'.indexOf(control) : -1;
    if (code < 0) throw new CliError(`invalid detach keys (${text}): Unknown character: '${key}'`);
    return code;
  });
}

/** Watches typed bytes for the detach keys; the beginning of a possible sequence is held back until it is decided. */
export class DetachScanner {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /** What may be passed on, and whether the sequence is complete (what follows it is dropped). */
  push(bytes: Uint8Array): { readonly pass: Uint8Array; readonly isDetached: boolean } {
    const pass: number[] = [];
    for (const byte of bytes) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === this.#keys.length) return { pass: Uint8Array.from(pass), isDetached: true };
        continue;
      }
      pass.push(...this.#keys.slice(0, this.#matched));
      this.#matched = 0;
      if (byte === this.#keys[0]) this.#matched = 1;
      else pass.push(byte);
    }
    return { pass: Uint8Array.from(pass), isDetached: false };
  }
}
