import { EngineError, invalid, messageOf } from '../../../base/errors.ts';
import {
  type Comparison,
  type Condition,
  EPERM,
  fullMask,
  type SeccompAction,
  type SeccompProfile,
  type SeccompRule,
} from './model.ts';
import type { ProfileInput } from './default-profile.ts';
import { archesOfHost, archOfScmp, type SeccompArch } from './syscalls.ts';

/** Largest profile that is read. Docker's own has 13 KB. */
const maxBytes = 1024 * 1024;

const fail = (reason: string): EngineError => invalid(`Decoding seccomp profile failed: ${reason}`);

type Json = Record<string, unknown>;

/**
 * Reads a profile in Docker's JSON format (https://docs.docker.com/engine/security/seccomp/), with what its `includes`
 * and `excludes` say about this container and host already applied. Names and processors that the tables do not know
 * are passed over, as libseccomp does. Several tests of one argument in one rule are alternatives, as in runc.
 * @throws invalid, naming the place, for anything of a wrong type or an unknown word; not-implemented for
 * SCMP_ACT_NOTIFY.
 */
export function parseUserProfile(json: string, input: ProfileInput): SeccompProfile {
  if (json.length > maxBytes) throw fail(`it has more than ${maxBytes} bytes`);
  const root = asObject(parseJson(json), 'the profile');
  const defaultErrno = optionalNumber(root['defaultErrnoRet'], 'defaultErrnoRet') ?? EPERM;
  const rules: SeccompRule[] = [];
  for (const [at, item] of asArray(root['syscalls'] ?? [], 'syscalls').entries()) {
    const rule = parseRule(asObject(item, `syscalls[${at}]`), `syscalls[${at}]`, defaultErrno, input);
    if (rule !== undefined) rules.push(rule);
  }
  const flags = root['flags'] === undefined || root['flags'] === null ? undefined : asStrings(root['flags'], 'flags');
  return {
    defaultAction: parseAction(root['defaultAction'], root['defaultErrnoRet'], 'defaultAction', EPERM),
    arches: parseArches(root, input.arch),
    rules,
    flags,
  };
}

/** Numbers that a double cannot hold become bigints: masks may need all 64 bits. */
function parseJson(json: string): unknown {
  const reviver = (_key: string, value: unknown, context?: { source?: string }): unknown => {
    const source = context?.source;
    const isWide = typeof value === 'number' && !Number.isSafeInteger(value);
    return isWide && source !== undefined && /^[0-9]+$/.test(source) ? BigInt(source) : value;
  };
  try {
    return JSON.parse(json, reviver as (key: string, value: unknown) => unknown);
  } catch (error) {
    throw fail(messageOf(error));
  }
}

function parseArches(root: Json, host: ProfileInput['arch']): readonly SeccompArch[] {
  const plain = asArray(root['architectures'] ?? [], 'architectures');
  const mapped = asArray(root['archMap'] ?? [], 'archMap');
  if (plain.length > 0 && mapped.length > 0) {
    throw fail(
      "'architectures' and 'archMap' were specified in the seccomp profile, use either 'architectures' or 'archMap'",
    );
  }
  const [native] = archesOfHost(host);
  if (native === undefined) return [];
  const named: string[] = asStrings(plain, 'architectures');
  for (const [at, item] of mapped.entries()) {
    const entry = asObject(item, `archMap[${at}]`);
    const name = asString(entry['architecture'], `archMap[${at}].architecture`);
    if (archOfScmp(name) !== native) continue;
    named.push(name, ...asStrings(entry['subArchitectures'] ?? [], `archMap[${at}].subArchitectures`));
  }
  const known = new Set<SeccompArch>([native]);
  for (const name of named) {
    const arch = archOfScmp(name);
    if (arch !== undefined && archesOfHost(host).includes(arch)) known.add(arch);
  }
  return [...known];
}

function parseRule(rule: Json, place: string, defaultErrno: number, input: ProfileInput): SeccompRule | undefined {
  const single = optionalString(rule['name'], `${place}.name`) ?? '';
  const several = asStrings(rule['names'] ?? [], `${place}.names`);
  if (single !== '' && several.length > 0) {
    throw fail("'name' and 'names' were specified in the seccomp profile, use either 'name' or 'names'");
  }
  const action = parseAction(rule['action'], rule['errnoRet'], `${place}.action`, defaultErrno);
  const conditions = asArray(rule['args'] ?? [], `${place}.args`).map((item, at) =>
    parseCondition(asObject(item, `${place}.args[${at}]`), `${place}.args[${at}]`),
  );
  if (!applies(rule, place, input)) return undefined;
  const indexes = new Set(conditions.map((condition) => condition.index));
  const alternatives = indexes.size < conditions.length;
  return {
    names: single === '' ? several : [single],
    action,
    anyOf: conditions.length === 0 ? [] : alternatives ? conditions.map((one) => [one]) : [conditions],
  };
}

/** Go's names of processors, which profiles use in `arches`. */
const goArch = { x86_64: 'amd64', aarch64: 'arm64' } as const;

function applies(rule: Json, place: string, { arch, kernel, capabilities }: ProfileInput): boolean {
  const includes = parseFilter(rule['includes'], `${place}.includes`);
  const excludes = parseFilter(rule['excludes'], `${place}.excludes`);
  const has = (capability: string): boolean => capabilities.includes(capability);
  const atLeast = ([major, minor]: readonly [number, number]): boolean =>
    kernel[0] > major || (kernel[0] === major && kernel[1] >= minor);
  if (includes.arches.length > 0 && !includes.arches.includes(goArch[arch])) return false;
  if (!includes.caps.every(has)) return false;
  if (includes.minKernel !== undefined && !atLeast(includes.minKernel)) return false;
  if (excludes.arches.includes(goArch[arch]) || excludes.caps.some(has)) return false;
  return excludes.minKernel === undefined || !atLeast(excludes.minKernel);
}

interface RuleFilter {
  readonly caps: readonly string[];
  readonly arches: readonly string[];
  readonly minKernel: readonly [number, number] | undefined;
}

function parseFilter(value: unknown, place: string): RuleFilter {
  const filter = value === undefined || value === null ? {} : asObject(value, place);
  const version = optionalString(filter['minKernel'], `${place}.minKernel`) ?? '';
  const match = /^([0-9]{1,4})\.([0-9]{1,4})$/.exec(version);
  if (version !== '' && match === null) throw fail(`${place}.minKernel: invalid kernel version ${shown(version)}`);
  return {
    caps: asStrings(filter['caps'] ?? [], `${place}.caps`),
    arches: asStrings(filter['arches'] ?? [], `${place}.arches`),
    minKernel: match === null ? undefined : [Number(match[1]), Number(match[2])],
  };
}

const actionKinds: ReadonlyMap<string, SeccompAction['kind']> = new Map([
  ['SCMP_ACT_KILL', 'kill-thread'],
  ['SCMP_ACT_KILL_THREAD', 'kill-thread'],
  ['SCMP_ACT_KILL_PROCESS', 'kill-process'],
  ['SCMP_ACT_TRAP', 'trap'],
  ['SCMP_ACT_ERRNO', 'errno'],
  ['SCMP_ACT_TRACE', 'trace'],
  ['SCMP_ACT_LOG', 'log'],
  ['SCMP_ACT_ALLOW', 'allow'],
]);

function parseAction(value: unknown, number: unknown, place: string, defaultErrno: number): SeccompAction {
  const name = asString(value, place);
  if (name === 'SCMP_ACT_NOTIFY') {
    throw new EngineError('not-implemented', 'seccomp profiles with SCMP_ACT_NOTIFY are not implemented');
  }
  const kind = actionKinds.get(name);
  if (kind === undefined) throw fail(`${place}: unknown action ${shown(name)}`);
  const data = optionalNumber(number, `${place} (errnoRet)`) ?? defaultErrno;
  if (data < 0 || data > 0xffff) throw fail(`${place}: errnoRet is not in the range 0 to 65535`);
  return { kind, data: kind === 'errno' || kind === 'trace' ? data : 0 };
}

const comparisons: ReadonlyMap<string, Comparison> = new Map([
  ['SCMP_CMP_NE', 'ne'],
  ['SCMP_CMP_LT', 'lt'],
  ['SCMP_CMP_LE', 'le'],
  ['SCMP_CMP_EQ', 'eq'],
  ['SCMP_CMP_GE', 'ge'],
  ['SCMP_CMP_GT', 'gt'],
]);

function parseCondition(item: Json, place: string): Condition {
  const index = optionalNumber(item['index'], `${place}.index`) ?? 0;
  if (!Number.isInteger(index) || index < 0 || index > 5) throw fail(`${place}.index: not in the range 0 to 5`);
  const value = asUnsigned(item['value'] ?? 0, `${place}.value`);
  const name = asString(item['op'], `${place}.op`);
  if (name === 'SCMP_CMP_MASKED_EQ') {
    return { index, op: 'eq', value: asUnsigned(item['valueTwo'] ?? 0, `${place}.valueTwo`), mask: value };
  }
  const op = comparisons.get(name);
  if (op === undefined) throw fail(`${place}.op: unknown operator ${shown(name)}`);
  return { index, op, value, mask: fullMask };
}

const shown = (text: string): string => JSON.stringify(text.slice(0, 100));

function asObject(value: unknown, place: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fail(`${place} must be an object`);
  return value as Json;
}
function asArray(value: unknown, place: string): readonly unknown[] {
  if (!Array.isArray(value)) throw fail(`${place} must be an array`);
  return value;
}
function asString(value: unknown, place: string): string {
  if (typeof value !== 'string') throw fail(`${place} must be a string`);
  return value;
}
const optionalString = (value: unknown, place: string): string | undefined =>
  value === undefined || value === null ? undefined : asString(value, place);
const asStrings = (value: unknown, place: string): string[] =>
  asArray(value, place).map((item, at) => asString(item, `${place}[${at}]`));
function optionalNumber(value: unknown, place: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw fail(`${place} must be a whole number`);
  return value;
}
function asUnsigned(value: unknown, place: string): bigint {
  const wide = typeof value === 'bigint' || Number.isSafeInteger(value) ? BigInt(value as bigint | number) : -1n;
  if (wide < 0n || wide > fullMask) throw fail(`${place} must be a whole number of 64 bits without a sign`);
  return wide;
}
