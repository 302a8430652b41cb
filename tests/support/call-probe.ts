/**
 * A static program of x86-64 that tries system calls and prints one letter for each: `P` EPERM, `N` ENOSYS, `-` anything
 * else, the end of the process included. Every call has -1 for each of its six arguments, which no call that changes
 * anything takes for good, and is made by a child of its own that has one second. Written here, byte by byte, so that tests
 * need no compiler.
 */

/** One call: its number, and by which door it goes in. `compat` is `int 0x80`, the door of 32-bit programs. */
export interface ProbedCall {
  readonly door: 'native' | 'compat';
  readonly number: number;
}

const base = 0x400000;
const headerBytes = 64 + 56;

/** Code whose jumps are filled in when the places that they lead to are known. */
class Assembler {
  readonly #bytes: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #jumps: { readonly at: number; readonly label: string }[] = [];

  /** Bytes, as hexadecimal digits. */
  code(hex: string): this {
    this.#bytes.push(...Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    return this;
  }

  /** A 32-bit number, least byte first. */
  word(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value >>> 0);
    this.#bytes.push(...bytes);
    return this;
  }

  label(name: string): this {
    this.#labels.set(name, this.#bytes.length);
    return this;
  }

  /** An opcode with a 32-bit distance behind it. */
  jump(opcode: string, label: string): this {
    this.code(opcode);
    this.#jumps.push({ at: this.#bytes.length, label });
    return this.word(0);
  }

  finish(): Buffer {
    const code = Buffer.from(this.#bytes);
    for (const { at, label } of this.#jumps) code.writeInt32LE((this.#labels.get(label) ?? 0) - at - 4, at);
    return code;
  }
}

const jmp = 'e9';
const jz = '0f84';
const jnz = '0f85';
const jae = '0f83';
const ja = '0f87';
const syscall = '0f05';

/** `places` are addresses: of the calls (8 bytes each), of a status word and of the answers. */
function program(count: number, places: { calls: number; status: number; answers: number }): Buffer {
  const { calls, status, answers } = places;
  const asm = new Assembler();
  asm.code('4531e4').label('next'); // xor r12d,r12d: which call
  asm.code('4981fc').word(count).jump(jae, 'print'); // cmp r12,count
  asm.code(`b8`).word(57).code(syscall).code('85c0').jump(jz, 'child'); // fork
  asm.code('89c7 be').word(status).code('31d2 4531d2 b8').word(61).code(syscall); // wait4(child, status, 0, 0)
  asm.code('8b0425').word(status).code('b12d a87f').jump(jnz, 'store'); // cl='-'; a signal ended it
  asm.code('c1e808 83f801').jump(jnz, 'not-permitted-else').code('b150').jump(jmp, 'store'); // 'P'
  asm.label('not-permitted-else').code('83f826').jump(jnz, 'store').code('b14e'); // 'N' for 38
  asm.label('store').code('41888c24').word(answers).code('49ffc4').jump(jmp, 'next'); // [answers+r12]=cl; r12++
  asm.label('child').code('bf').word(1).code('b8').word(37).code(syscall); // alarm(1)
  asm.code('4a8b04e5').word(calls).code('4889c3 48c1eb20 89c0 85db').jump(jnz, 'compat'); // rax=number, ebx=door
  asm.code('48c7c7ffffffff 48c7c6ffffffff 48c7c2ffffffff 49c7c2ffffffff 49c7c0ffffffff 49c7c1ffffffff');
  asm.code(syscall).jump(jmp, 'result');
  asm.label('compat').code('bbffffffff b9ffffffff baffffffff beffffffff bfffffffff bdffffffff cd80 4863c0');
  asm.label('result').code('48f7d8 31ff 483d').word(4095).jump(ja, 'exit').code('89c7'); // -rax: an errno, or none
  asm.label('exit').code('b8').word(231).code(syscall); // exit_group
  asm.label('print').code('bf').word(1).code('be').word(answers).code('ba').word(count);
  asm.code('b8').word(1).code(syscall).code('31ff b8').word(231).code(syscall);
  return asm.finish();
}

/** The program as an ELF file of one segment (elf(5)). */
export function callProbe(calls: readonly ProbedCall[]): Buffer {
  const table = Buffer.alloc(calls.length * 8);
  for (const [at, { door, number }] of calls.entries()) {
    table.writeUInt32LE(number >>> 0, at * 8);
    table.writeUInt32LE(door === 'compat' ? 1 : 0, at * 8 + 4);
  }
  const length = program(calls.length, { calls: 0, status: 0, answers: 0 }).length;
  const tableAt = base + headerBytes + length;
  const status = tableAt + table.length;
  const code = program(calls.length, { calls: tableAt, status, answers: status + 8 });
  const size = headerBytes + length + table.length;
  const header = Buffer.alloc(headerBytes);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(2, 16); // an executable
  header.writeUInt16LE(62, 18); // of x86-64
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(base + headerBytes), 24);
  header.writeBigUInt64LE(64n, 32);
  for (const [value, at] of [
    [64, 52],
    [56, 54],
    [1, 56],
    [64, 58],
  ] as const)
    header.writeUInt16LE(value, at);
  header.writeUInt32LE(1, 64); // loaded
  header.writeUInt32LE(7, 68); // readable, writable, executable
  header.writeBigUInt64LE(BigInt(base), 80);
  header.writeBigUInt64LE(BigInt(base), 88);
  header.writeBigUInt64LE(BigInt(size), 96);
  header.writeBigUInt64LE(BigInt(size + 8 + calls.length), 104);
  header.writeBigUInt64LE(0x1000n, 112);
  return Buffer.concat([header, code, table]);
}
