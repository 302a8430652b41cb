/** How many bits of pi Blowfish begins with: 18 and 4 times 256 words. */
const words = 18 + 4 * 256;

/** arctan(1/x) times 2^bits, by its series. */
function arctan(x: bigint, bits: bigint): bigint {
  let power = (1n << bits) / x;
  let sum = power;
  const square = x * x;
  for (let n = 3n, sign = -1n; power > 0n; n += 2n, sign = -sign) {
    power /= square;
    sum += (sign * power) / n;
  }
  return sum;
}

/** Words of the fraction of pi: the cipher's constants have no other source (Schneier 1993), so they need not be kept as a table. */
function fractionOfPi(): Uint32Array {
  const bits = BigInt(words * 32);
  const guard = 64n;
  const pi = 4n * (4n * arctan(5n, bits + guard) - arctan(239n, bits + guard));
  const hex = ((pi >> guard) & ((1n << bits) - 1n)).toString(16).padStart(words * 8, '0');
  return Uint32Array.from({ length: words }, (_value, at) => Number.parseInt(hex.slice(at * 8, at * 8 + 8), 16));
}

let start: Uint32Array | undefined;

/** The state of Blowfish while a key is mixed into it, as bcrypt wants it. Keys are big-endian words. */
export class Blowfish {
  readonly #p: Uint32Array;
  readonly #s: Uint32Array;
  readonly #pair = new Uint32Array(2);

  constructor() {
    start ??= fractionOfPi();
    this.#p = start.slice(0, 18);
    this.#s = start.slice(18);
  }

  /** Mixes a key in; with a salt, that as well. */
  expand(key: Uint32Array, salt?: Uint32Array): void {
    const [p, s, pair] = [this.#p, this.#s, this.#pair];
    for (let at = 0; at < 18; at++) p[at] = word(p, at) ^ word(key, at % key.length);
    pair.fill(0);
    let taken = 0;
    for (const table of [p, s]) {
      for (let at = 0; at < table.length; at += 2) {
        if (salt !== undefined) {
          pair[0] = word(pair, 0) ^ word(salt, taken++ % salt.length);
          pair[1] = word(pair, 1) ^ word(salt, taken++ % salt.length);
        }
        encipher(p, s, pair, 0);
        table[at] = word(pair, 0);
        table[at + 1] = word(pair, 1);
      }
    }
  }

  /** Enciphers two words in place. */
  encipherAt(data: Uint32Array, at: number): void {
    encipher(this.#p, this.#s, data, at);
  }
}

const word = (table: Uint32Array, at: number): number => table[at] as number;

function encipher(p: Uint32Array, s: Uint32Array, data: Uint32Array, at: number): void {
  let left = word(data, at) ^ word(p, 0);
  let right = word(data, at + 1);
  for (let round = 1; round <= 16; round += 2) {
    right ^= mixed(s, left) ^ word(p, round);
    left ^= mixed(s, right) ^ word(p, round + 1);
  }
  data[at] = right ^ word(p, 17);
  data[at + 1] = left;
}

function mixed(s: Uint32Array, value: number): number {
  const sum = (word(s, value >>> 24) + word(s, 256 + ((value >>> 16) & 255))) | 0;
  return ((sum ^ word(s, 512 + ((value >>> 8) & 255))) + word(s, 768 + (value & 255))) | 0;
}
