import { readFile } from 'node:fs/promises';
import { availableParallelism, hostname, machine, release, totalmem, version } from 'node:os';

/** What a host is, as `/info` and `/version` tell it. */
export interface HostFacts {
  readonly hostname: string;
  /** `6.18.44`, as uname -r. */
  readonly kernelRelease: string;
  /** As uname -v. */
  readonly kernelVersion: string;
  /** `x86_64`, `aarch64`: as uname -m. */
  readonly machine: string;
  readonly memoryBytes: number;
  readonly cpus: number;
  /** `Debian GNU/Linux 12 (bookworm)` out of os-release(5); `Linux` without one. */
  readonly operatingSystem: string;
  /** `12` out of os-release(5). */
  readonly osVersion: string;
}

/** The value of `NAME="value"` lines, quotes taken off (os-release(5)). */
function parseOsRelease(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const equals = line.indexOf('=');
    if (equals <= 0 || line.startsWith('#')) continue;
    const raw = line.slice(equals + 1).trim();
    const quoted = raw.length >= 2 && (raw.startsWith('"') || raw.startsWith("'")) && raw.endsWith(raw[0] ?? '');
    values.set(line.slice(0, equals).trim(), quoted ? raw.slice(1, -1) : raw);
  }
  return values;
}

/** Reads the host's facts; what can change (hostname, memory, CPUs) is as of now. */
export async function readHostFacts(): Promise<HostFacts> {
  const text = await readFile('/etc/os-release', 'utf8')
    .catch(() => readFile('/usr/lib/os-release', 'utf8'))
    .catch(() => '');
  const os = parseOsRelease(text);
  return {
    hostname: hostname(),
    kernelRelease: release(),
    kernelVersion: version(),
    machine: machine(),
    memoryBytes: totalmem(),
    cpus: availableParallelism(),
    operatingSystem: os.get('PRETTY_NAME') ?? 'Linux',
    osVersion: os.get('VERSION_ID') ?? '',
  };
}

/** `[6, 18]` of the running kernel: is a feature of a certain release there? */
export function kernelAtLeast(major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = release()
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}
