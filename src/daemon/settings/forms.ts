import { invalid } from '../../base/errors.ts';
import { isDecimal } from '../../base/text/digits.ts';
import type { ObjectForm } from './setting.ts';

/** An OCI runtime as daemon.json names it. */
export interface RuntimeEntry {
  readonly path: string;
  readonly runtimeArgs: readonly string[];
}

export interface UlimitEntry {
  readonly Name: string;
  readonly Soft: number;
  readonly Hard: number;
}

export interface PoolEntry {
  /** A prefix: `10.0.0.0/8`. */
  readonly base: string;
  /** Prefix length of each subnet. */
  readonly size: number;
}

const shown = (value: unknown): string => JSON.stringify(value)?.slice(0, 100) ?? 'undefined';

function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalid(`${what} must be an object, not ${shown(value)}`);
}

function cut(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw invalid(`invalid argument ${shown(text)}: expected NAME=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Names that the host's own runtimes have: configuration must not give them another meaning, as in Docker. */
const reservedRuntimes: ReadonlySet<string> = new Set(['runc', 'io.containerd.runc.v2']);

function checkRuntimeName(name: string): void {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,99}$/.test(name)) throw invalid(`invalid runtime name: ${shown(name)}`);
  if (reservedRuntimes.has(name)) throw invalid(`runtime name '${name}' is reserved`);
}

/** `runtimes`: by name, `path` and `runtimeArgs`. Docker's `runtimeType` names a shim: only runc's is one here. */
export const runtimesForm: ObjectForm = {
  fromFlag(before, text) {
    const [name, path] = cut(text);
    checkRuntimeName(name);
    if (Object.hasOwn(before, name)) throw invalid(`runtime '${name}' was already registered`);
    return { ...before, [name]: { path, runtimeArgs: [] } };
  },
  fromFile(value) {
    const found: Record<string, RuntimeEntry> = Object.create(null);
    for (const [name, entry] of Object.entries(objectOf(value, 'it'))) {
      checkRuntimeName(name);
      found[name] = runtimeOf(name, objectOf(entry, `runtime ${name}`));
    }
    return found;
  },
};

function runtimeOf(name: string, entry: Readonly<Record<string, unknown>>): RuntimeEntry {
  const { path = '', runtimeArgs = [], runtimeType = '', options } = entry;
  for (const key of Object.keys(entry)) {
    if (!['path', 'runtimeArgs', 'runtimeType', 'options'].includes(key)) {
      throw invalid(`runtime ${name} has an unknown key ${shown(key)}`);
    }
  }
  if (typeof path !== 'string') throw invalid(`path of runtime ${name} must be a string`);
  if (!Array.isArray(runtimeArgs) || !runtimeArgs.every((arg) => typeof arg === 'string')) {
    throw invalid(`runtimeArgs of runtime ${name} must be a list of strings`);
  }
  if (runtimeType !== '' && runtimeType !== 'io.containerd.runc.v2') {
    throw invalid(`runtime ${name}: containerd shims (runtimeType ${shown(runtimeType)}) are not run by this engine`);
  }
  const binary = options === undefined ? undefined : objectOf(options, `options of runtime ${name}`)['BinaryName'];
  const program = path === '' && typeof binary === 'string' ? binary : path;
  if (program === '' && runtimeType === '')
    throw invalid(`runtime ${name}: either a runtimeType or a path must be configured`);
  return { path: program === '' ? 'runc' : program, runtimeArgs };
}

const ulimitNames: ReadonlySet<string> = new Set([
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
]);

function ulimit(Name: string, Soft: unknown, Hard: unknown): UlimitEntry {
  if (!ulimitNames.has(Name)) throw invalid(`invalid ulimit type: ${Name.slice(0, 50)}`);
  if (!Number.isSafeInteger(Soft) || !Number.isSafeInteger(Hard))
    throw invalid(`limits of ulimit ${Name} must be numbers`);
  const [soft, hard] = [Soft as number, Hard as number];
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    throw invalid(
      `ulimit soft limit must be less than or equal to hard limit: ${soft === -1 ? 'soft' : soft} > ${hard}`,
    );
  }
  return { Name, Soft: soft, Hard: hard };
}

const limitNumber = (text: string): number => (text === '-1' ? -1 : isDecimal(text) ? Number(text) : Number.NaN);

/** `default-ulimits`: by name, `Soft` and `Hard`. */
export const ulimitsForm: ObjectForm = {
  fromFlag(before, text) {
    const [name, limits] = cut(text);
    const [soft = '', hard = soft] = limits.split(':');
    return { ...before, [name]: ulimit(name, limitNumber(soft), limitNumber(hard)) };
  },
  fromFile(value) {
    const found: Record<string, UlimitEntry> = Object.create(null);
    for (const [name, entry] of Object.entries(objectOf(value, 'it'))) {
      const { Name = name, Soft = 0, Hard = Soft } = objectOf(entry, `ulimit ${name}`);
      if (Name !== name) throw invalid(`ulimit ${name} names another limit: ${shown(Name)}`);
      found[name] = ulimit(name, Soft, Hard);
    }
    return found;
  },
};

function pool(base: unknown, size: unknown): PoolEntry {
  if (typeof base !== 'string' || !/^[0-9a-fA-F.:]{2,45}\/\d{1,3}$/.test(base)) {
    throw invalid(`invalid base pool ${shown(base)}: expected a prefix`);
  }
  const length = Number(base.slice(base.indexOf('/') + 1));
  const longest = base.includes(':') ? 126 : 30;
  if (!Number.isInteger(size) || (size as number) < length || (size as number) > longest) {
    throw invalid(`invalid pool size ${shown(size)} for ${base}: expected ${length} to ${longest}`);
  }
  return { base, size: size as number };
}

/** `default-address-pools`: a list of `base` and `size`, kept by number. */
export const poolsForm: ObjectForm = {
  fromFlag(before, text) {
    const fields = new Map(text.split(',').map((part) => cut(part.trim())));
    for (const key of fields.keys()) {
      if (key !== 'base' && key !== 'size' && key !== 'scope')
        throw invalid(`unexpected key ${shown(key)} in ${shown(text)}`);
    }
    const size = fields.get('size') ?? '';
    return {
      ...before,
      [Object.keys(before).length]: pool(fields.get('base') ?? '', isDecimal(size) ? Number(size) : size),
    };
  },
  fromFile(value) {
    if (!Array.isArray(value)) throw invalid('it must be a list of {"base", "size"}');
    const found: Record<string, PoolEntry> = {};
    for (const [at, entry] of value.entries()) {
      const { base, size } = objectOf(entry, 'an address pool');
      found[at] = pool(base, size);
    }
    return found;
  },
};

/** `default-network-opts`: by driver, options of its networks. */
export const networkOptionsForm: ObjectForm = {
  fromFlag(before, text) {
    const [driver, option] = cut(text);
    const [name, value] = cut(option);
    const known = Object.hasOwn(before, driver) ? (before[driver] as Record<string, string>) : {};
    return { ...before, [driver]: { ...known, [name]: value } };
  },
  fromFile(value) {
    const drivers = objectOf(value, 'it');
    for (const [driver, options] of Object.entries(drivers)) {
      for (const [name, option] of Object.entries(objectOf(options, `driver ${driver}`))) {
        if (typeof option !== 'string') throw invalid(`option ${name} of driver ${driver} must be a string`);
      }
    }
    return drivers;
  },
};
