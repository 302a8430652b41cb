/** An interpreter that the kernel runs for programs that begin with certain bytes (Documentation/admin-guide/binfmt-misc.rst). */
export interface Interpreter {
  /** What it was registered as: `qemu-aarch64`. */
  readonly name: string;
  readonly path: string;
  readonly isEnabled: boolean;
  /** Flag `F`: it is open already, and need not be found where the program runs. */
  readonly isFixed: boolean;
  readonly offset: number;
  readonly magic: Uint8Array;
  /** Bits of the magic that count; undefined for all. */
  readonly mask: Uint8Array | undefined;
}

/** Reads the kernel's description of one interpreter; undefined for one that goes by the names of files, or is not understood. */
export function parseInterpreter(name: string, text: string): Interpreter | undefined {
  const lines = text.split('\n');
  const valueOf = (key: string): string | undefined =>
    lines.find((line) => line.startsWith(`${key} `))?.slice(key.length + 1);
  const magic = bytesOf(valueOf('magic'));
  const path = valueOf('interpreter');
  if (magic === undefined || path === undefined) return undefined;
  return {
    name,
    path,
    isEnabled: lines[0] === 'enabled',
    isFixed: (valueOf('flags:') ?? '').includes('F'),
    offset: Number(valueOf('offset') ?? 0),
    magic,
    mask: bytesOf(valueOf('mask')),
  };
}

const bytesOf = (hex: string | undefined): Uint8Array | undefined =>
  hex !== undefined && /^(?:[0-9a-f]{2})+$/i.test(hex) ? Buffer.from(hex, 'hex') : undefined;

/** How programs of an architecture say so in their first bytes (ELF): bits, order of bytes, number of the machine. */
const machines: Readonly<Record<string, readonly [bits: 32 | 64, order: 'little' | 'big', machine: number]>> = {
  '386': [32, 'little', 3],
  amd64: [64, 'little', 62],
  arm: [32, 'little', 40],
  arm64: [64, 'little', 183],
  loong64: [64, 'little', 258],
  mips: [32, 'big', 8],
  mips64: [64, 'big', 8],
  mips64le: [64, 'little', 8],
  mipsle: [32, 'little', 8],
  ppc64: [64, 'big', 21],
  ppc64le: [64, 'little', 21],
  riscv64: [64, 'little', 243],
  s390x: [64, 'big', 22],
};

/** Go's names of the architectures whose programs are known. */
export const architectures: readonly string[] = Object.keys(machines);

/** What a program and a library that is one begin with. */
function headsOf(architecture: string): readonly Uint8Array[] {
  const found = machines[architecture];
  if (found === undefined) return [];
  const [bits, order, machine] = found;
  return [2, 3].map((type) => {
    const head = Buffer.alloc(64);
    head.set([0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, order === 'little' ? 1 : 2, 1]);
    for (const [at, value] of [
      [16, type],
      [18, machine],
    ] as const) {
      if (order === 'little') head.writeUInt16LE(value, at);
      else head.writeUInt16BE(value, at);
    }
    return head;
  });
}

/** Whether the kernel gives programs of that architecture to the interpreter. */
export function interprets({ offset, magic, mask }: Interpreter, architecture: string): boolean {
  const heads = headsOf(architecture);
  const fits = (head: Uint8Array): boolean =>
    magic.every((byte, at) => (((head[offset + at] ?? 0) ^ byte) & (mask?.[at] ?? 0xff)) === 0);
  return heads.length > 0 && heads.every(fits);
}
