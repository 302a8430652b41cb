import { aarch64, arm, i386, x86_64 } from './_numbers.ts';

/** A processor as seccomp(2) tells system calls apart: a 64-bit one and the 32-bit one that it can run too. */
export type SeccompArch = 'x86_64' | 'i386' | 'aarch64' | 'arm';

export interface ArchTable {
  readonly arch: SeccompArch;
  /** AUDIT_ARCH_* of linux/audit.h: what `seccomp_data.arch` holds. */
  readonly audit: number;
  /** The name in profiles: SCMP_ARCH_*. */
  readonly scmp: string;
  readonly numberOf: ReadonlyMap<string, number>;
}

/** Reads the form that tools/syscall-numbers writes. */
function decode(text: string): ReadonlyMap<string, number> {
  const table = new Map<string, number>();
  let next = 0;
  for (const word of text.trim().split(' ')) {
    if (word.startsWith('@')) next = Number(word.slice(1));
    else table.set(word, next++);
  }
  return table;
}

interface Source extends Omit<ArchTable, 'numberOf'> {
  readonly numbers: string;
}

const tables: Readonly<Record<SeccompArch, Source>> = {
  x86_64: { arch: 'x86_64', numbers: x86_64, audit: 0xc000_003e, scmp: 'SCMP_ARCH_X86_64' },
  i386: { arch: 'i386', numbers: i386, audit: 0x4000_0003, scmp: 'SCMP_ARCH_X86' },
  aarch64: { arch: 'aarch64', numbers: aarch64, audit: 0xc000_00b7, scmp: 'SCMP_ARCH_AARCH64' },
  arm: { arch: 'arm', numbers: arm, audit: 0x4000_0028, scmp: 'SCMP_ARCH_ARM' },
};

const decoded = new Map<SeccompArch, ArchTable>();

/** The table of one processor; read on first use, because most hosts need only two of them. */
export function archTable(arch: SeccompArch): ArchTable {
  let table = decoded.get(arch);
  if (table === undefined) {
    const { numbers, audit, scmp } = tables[arch];
    table = { arch, audit, scmp, numberOf: decode(numbers) };
    decoded.set(arch, table);
  }
  return table;
}

/** The host's own processor first, then the one whose programs it can run too. */
export const archesOfHost = (host: 'x86_64' | 'aarch64'): readonly SeccompArch[] =>
  host === 'x86_64' ? ['x86_64', 'i386'] : ['aarch64', 'arm'];

/** The processor behind SCMP_ARCH_*; undefined for all that the tables do not know, x32 among them. */
export function archOfScmp(name: string): SeccompArch | undefined {
  return Object.values(tables).find((table) => table.scmp === name)?.arch;
}
