/** What a filter looks at: struct seccomp_data of linux/seccomp.h, without the instruction pointer. */
export interface SeccompData {
  readonly arch: number;
  readonly number: number;
  /** Six arguments of 64 bits; missing ones are 0. */
  readonly args: readonly bigint[];
}

/**
 * Runs a seccomp program as the kernel would and returns its SECCOMP_RET_* value: the second opinion on the compiler.
 * Knows the instructions that the compiler writes. @throws Error for anything that the kernel's checker would refuse.
 */
export function runFilter(program: Uint8Array, data: SeccompData): number {
  const memory = new DataView(new ArrayBuffer(64));
  memory.setUint32(0, data.number >>> 0, true);
  memory.setUint32(4, data.arch >>> 0, true);
  for (const [index, value] of data.args.entries()) memory.setBigUint64(16 + 8 * index, value, true);
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const count = program.byteLength / 8;
  if (!Number.isInteger(count) || count === 0 || count > 4096) throw new Error('a program of a wrong size');
  let accumulator = 0;
  for (let at = 0; at < count; at++) {
    const k = code.getUint32(at * 8 + 4, true);
    const jump = (taken: boolean): void => {
      at += code.getUint8(at * 8 + (taken ? 2 : 3));
    };
    switch (code.getUint16(at * 8, true)) {
      case 0x20:
        if (k % 4 !== 0 || k >= 64) throw new Error(`load outside the data: ${k}`);
        accumulator = memory.getUint32(k, true);
        break;
      case 0x54:
        accumulator = (accumulator & k) >>> 0;
        break;
      case 0x05:
        at += k;
        break;
      case 0x15:
        jump(accumulator === k);
        break;
      case 0x25:
        jump(accumulator > k);
        break;
      case 0x35:
        jump(accumulator >= k);
        break;
      case 0x06:
        return k;
      default:
        throw new Error(`unknown instruction at ${at}`);
    }
  }
  throw new Error('the program ran past its end');
}
