import { readdir, readFile } from 'node:fs/promises';
import type { HostPlatforms } from '../../spec/contract/build.ts';
import type { Platform } from '../../spec/oci/image.ts';
import { formatPlatform, platformDistance } from '../../spec/oci/platform.ts';
import { closeFd } from '../../sys/ffi/descriptor.ts';
import { sealedFile } from '../../sys/file/sealed.ts';
import { run } from '../../sys/process/run.ts';
import { architectures, type Interpreter, interprets, parseInterpreter } from './binfmt.ts';

/** Where the host says what it runs. */
export interface HostPlaces {
  /** The file system of binfmt_misc, which since Linux 6.7 each user namespace can have its own of. */
  readonly interpreters: string;
  readonly processors: string;
  /** Runs a program out of memory; false when the kernel does not. */
  readonly tryProgram: (program: Uint8Array) => Promise<boolean>;
}

const usualPlaces: HostPlaces = {
  interpreters: '/proc/sys/fs/binfmt_misc',
  processors: '/proc/cpuinfo',
  tryProgram,
};

/** What programs this host can run: by its processor, and by interpreters that are registered at the moment. */
export function hostPlatforms(host: Platform, places: HostPlaces = usualPlaces): HostPlatforms {
  let own: Promise<readonly Platform[]> | undefined;
  const native = (): Promise<readonly Platform[]> => {
    own ??= nativePlatforms(host, places);
    return own;
  };
  return {
    async list() {
      const [known, interpreters] = await Promise.all([native(), readInterpreters(places.interpreters)]);
      const usable = interpreters.filter(({ isEnabled, isFixed }) => isEnabled && isFixed);
      const foreign = architectures.filter(
        (architecture) =>
          !known.some((one) => one.architecture === architecture) &&
          usable.some((interpreter) => interprets(interpreter, architecture)),
      );
      return [...known, ...foreign.flatMap(variantsOf)];
    },
    async obstacle(platform) {
      const known = await this.list();
      const runs = (one: Platform): boolean =>
        one.architecture === platform.architecture && platformDistance(one, platform) !== undefined;
      if (known.some(runs)) return undefined;
      return why(host, platform, await readInterpreters(places.interpreters));
    },
  };
}

const linux = (architecture: string, variant?: string): Platform => ({
  os: 'linux',
  architecture,
  ...(variant === undefined ? {} : { variant }),
});

const variantsOf = (architecture: string): Platform[] =>
  architecture === 'arm' ? [linux('arm', 'v7'), linux('arm', 'v6')] : [linux(architecture)];

/** That of the host, its processor's levels, and what it runs besides (32 bits). */
async function nativePlatforms(host: Platform, { processors, tryProgram }: HostPlaces): Promise<readonly Platform[]> {
  if (host.architecture === 'amd64') {
    const levels = levelsOf(await readFile(processors, 'utf8').catch(() => ''));
    const has386 = await tryProgram(program386);
    return [host, ...levels.map((level) => linux('amd64', level)), ...(has386 ? [linux('386')] : [])];
  }
  if (host.architecture === 'arm64' && (await tryProgram(programArm))) return [host, ...variantsOf('arm')];
  return [host];
}

/** What a level of x86-64 asks for beyond the one below (the psABI), by the kernel's names. */
const levels: readonly (readonly [level: string, flags: readonly string[]])[] = [
  ['v2', ['cx16', 'lahf_lm', 'popcnt', 'sse4_1', 'sse4_2', 'ssse3']],
  ['v3', ['avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'abm', 'movbe', 'xsave']],
  ['v4', ['avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl']],
];

function levelsOf(processors: string): string[] {
  const line = /^flags\s*:(.*)$/m.exec(processors)?.[1] ?? '';
  const flags = new Set(line.split(' '));
  const first = levels.findIndex(([, wanted]) => !wanted.every((flag) => flags.has(flag)));
  return levels.slice(0, first < 0 ? levels.length : first).map(([level]) => level);
}

/** All that are registered. None where the file system is not mounted, or is switched off. */
async function readInterpreters(folder: string): Promise<readonly Interpreter[]> {
  try {
    const names = (await readdir(folder)).filter((name) => name !== 'register' && name !== 'status');
    const status = await readFile(`${folder}/status`, 'utf8');
    if (status.trim() !== 'enabled') return [];
    // One that goes meanwhile is not there.
    const texts = await Promise.all(
      names.map((name) =>
        readFile(`${folder}/${name}`, 'utf8').then(
          (text) => parseInterpreter(name, text),
          () => undefined,
        ),
      ),
    );
    return texts.filter((one) => one !== undefined);
  } catch {
    return [];
  }
}

/** The names that qemu gives its programs. */
const qemuNames: Readonly<Record<string, string>> = {
  '386': 'i386',
  amd64: 'x86_64',
  arm64: 'aarch64',
  loong64: 'loongarch64',
  mipsle: 'mipsel',
  mips64le: 'mips64el',
};

function why(host: Platform, wanted: Platform, interpreters: readonly Interpreter[]): string {
  const { architecture } = wanted;
  const about = `programs for ${formatPlatform(wanted)} do not run on this host (${formatPlatform(host)})`;
  if (wanted.os !== 'linux') return `${about}: it has no ${wanted.os}`;
  if (architecture === host.architecture) return `${about}: its processor is not of that variant`;
  const found = interpreters.filter((interpreter) => interprets(interpreter, architecture));
  const [first] = found;
  const qemu = `qemu-${qemuNames[architecture] ?? architecture}`;
  const how = `Debian's packages qemu-user-static and qemu-user-binfmt do that for ${qemu}`;
  if (first === undefined) {
    return `${about}: no interpreter for them is registered with the kernel (binfmt_misc); ${how}`;
  }
  const lack = first.isEnabled ? `without the flag F, so that no container finds it` : 'but is disabled';
  return `${about}: their interpreter ${first.path} is registered with the kernel (binfmt_misc) ${lack}; ${how}`;
}

/** A program of 32 bits that does nothing but end well. */
function smallest(machine: number, flags: number, code: readonly number[]): Uint8Array {
  const [headBytes, segmentBytes, address] = [52, 32, 0x10000];
  const size = headBytes + segmentBytes + code.length;
  const bytes = Buffer.alloc(size);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  bytes.writeUInt16LE(2, 16);
  bytes.writeUInt16LE(machine, 18);
  const words = [1, address + headBytes + segmentBytes, headBytes, 0, flags];
  for (const [at, word] of words.entries()) bytes.writeUInt32LE(word, 20 + 4 * at);
  for (const [at, half] of [headBytes, segmentBytes, 1].entries()) bytes.writeUInt16LE(half, 40 + 2 * at);
  const segment = [1, 0, address, address, size, size, 5, 0x1000];
  for (const [at, word] of segment.entries()) bytes.writeUInt32LE(word, headBytes + 4 * at);
  bytes.set(code, headBytes + segmentBytes);
  return bytes;
}

/** `exit(0)`: xor eax, eax; inc eax; xor ebx, ebx; int 0x80. */
const program386 = smallest(3, 0, [0x31, 0xc0, 0x40, 0x31, 0xdb, 0xcd, 0x80]);
/** The same: mov r0, #0; mov r7, #1; svc 0. */
const programArm = smallest(40, 0x0500_0000, [0, 0, 0xa0, 0xe3, 1, 0x70, 0xa0, 0xe3, 0, 0, 0, 0xef]);

async function tryProgram(program: Uint8Array): Promise<boolean> {
  let fd: number | undefined;
  try {
    fd = sealedFile(program, { name: 'platform', executable: true });
    const path = `/proc/${process.pid}/fd/${fd}`;
    const { code } = await run({ path, argv: [path], env: [], timeoutMs: 5000, outputLimit: 0 });
    return code === 0;
  } catch {
    return false;
  } finally {
    if (fd !== undefined) closeFd(fd);
  }
}
