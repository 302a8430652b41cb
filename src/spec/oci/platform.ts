import { invalid } from '../../base/errors.ts';
import type { Platform } from './image.ts';

/** Names that users and other systems have for an architecture, and the one Go and OCI use. */
const architectureNames = new Map<string, { architecture: string; variant?: string }>([
  ['x86_64', { architecture: 'amd64' }],
  ['x86-64', { architecture: 'amd64' }],
  ['x64', { architecture: 'amd64' }],
  ['i386', { architecture: '386' }],
  ['ia32', { architecture: '386' }],
  ['aarch64', { architecture: 'arm64' }],
  ['armhf', { architecture: 'arm', variant: 'v7' }],
  ['armel', { architecture: 'arm', variant: 'v6' }],
]);
const knownSystems = new Set(['linux', 'windows', 'darwin', 'freebsd', 'netbsd', 'openbsd', 'wasip1', 'wasi']);
const knownArchitectures = new Set(
  '386 amd64 arm arm64 loong64 mips mipsle mips64 mips64le ppc64 ppc64le riscv64 s390x wasm'.split(' '),
);

/** One spelling a platform: lower case, Go's architecture names, and no variant where it is the default one. */
export function normalizePlatform(platform: Platform): Platform {
  const written = platform.architecture.toLowerCase();
  const alias = architectureNames.get(written);
  const architecture = alias?.architecture ?? written;
  let variant: string | undefined = (platform.variant ?? '').toLowerCase() || alias?.variant;
  if (architecture === 'arm')
    variant = variant === undefined ? 'v7' : variant.startsWith('v') ? variant : `v${variant}`;
  else if (architecture === 'arm64' && (variant === 'v8' || variant === '8')) variant = undefined;
  else if (architecture === 'amd64' && variant === 'v1') variant = undefined;
  const { variant: _dropped, ...rest } = platform;
  const system = platform.os.toLowerCase();
  return {
    ...rest,
    os: system === 'macos' ? 'darwin' : system,
    architecture,
    ...(variant === undefined ? {} : { variant }),
  };
}

const isWord = (text: string): boolean => {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const letter = (code | 32) >= 97 && (code | 32) <= 122;
    if (!letter && !(code >= 48 && code <= 57) && code !== 95 && code !== 46 && code !== 45) return false;
  }
  return text !== '' && text.length <= 64;
};

/**
 * Parses `os[/arch[/variant]]`; one part alone may also be an architecture. What is left out is taken from `host`.
 * @throws EngineError `invalid`
 */
export function parsePlatform(text: string, host: Platform): Platform {
  const parts = text.split('/');
  const [first = '', second, third] = parts;
  if (parts.length > 3 || !parts.every(isWord)) {
    throw invalid(
      `${JSON.stringify(text.slice(0, 100))}: cannot parse platform specifier: expected os[/arch[/variant]]: invalid argument`,
    );
  }
  if (second !== undefined) {
    const variant = third === undefined ? {} : { variant: third };
    return normalizePlatform({ os: first, architecture: second, ...variant });
  }
  if (knownSystems.has(first.toLowerCase()) || first.toLowerCase() === 'macos') {
    return normalizePlatform({ ...host, os: first });
  }
  const alone = normalizePlatform({ os: host.os, architecture: first });
  if (!knownArchitectures.has(alone.architecture)) {
    throw invalid(`${JSON.stringify(text)}: unknown operating system or architecture: invalid argument`);
  }
  return alone;
}

/** `linux/amd64`, `linux/arm/v7`: as Docker writes it in messages. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return `${os || 'unknown'}/${architecture || 'unknown'}${variant ? `/${variant}` : ''}`;
}

/** The platform of this process, by the runtime's own name of its architecture (`x64`, `arm64`, ...). */
export function hostPlatform(architecture: string): Platform {
  return normalizePlatform({ os: 'linux', architecture });
}

/**
 * How well `offered` serves who wants `wanted`: 0 is exact, larger is worse, undefined is not at all. A processor runs
 * what its predecessors ran: arm/v7 runs v6 and v5, arm64 runs arm, amd64/v3 runs v2 and v1, amd64 runs 386.
 */
export function platformDistance(wanted: Platform, offered: Platform): number | undefined {
  const want = normalizePlatform(wanted);
  const offer = normalizePlatform(offered);
  if (want.os !== offer.os) return undefined;
  const place = runnable(want).indexOf(`${offer.architecture}/${offer.variant ?? ''}`);
  return place < 0 ? undefined : place;
}

function runnable({ architecture, variant = '' }: Platform): string[] {
  const own = `${architecture}/${variant}`;
  const arm = (from: number) => [8, 7, 6, 5].filter((level) => level <= from).map((level) => `arm/v${level}`);
  const level = variant.startsWith('v') ? Number.parseInt(variant.slice(1), 10) : Number.NaN;
  switch (architecture) {
    case 'amd64': {
      const lower = [4, 3, 2].filter((other) => other < level).map((other) => `amd64/v${other}`);
      return [own, ...lower, ...(variant === '' ? [] : ['amd64/']), '386/'];
    }
    case 'arm64':
      return [own, ...(variant === '' ? [] : ['arm64/']), ...arm(8)];
    case 'arm':
      return [own, ...arm(level - 1)];
    default:
      return [own];
  }
}

/** The entry that serves `wanted` best, the first of equals; undefined when none does. */
export function bestForPlatform<T>(
  wanted: Platform,
  entries: readonly T[],
  platformOf: (entry: T) => Platform | undefined,
): T | undefined {
  let best: { entry: T; distance: number } | undefined;
  for (const entry of entries) {
    const offered = platformOf(entry);
    const distance = offered === undefined ? undefined : platformDistance(wanted, offered);
    if (distance !== undefined && (best === undefined || distance < best.distance)) best = { entry, distance };
  }
  return best?.entry;
}
