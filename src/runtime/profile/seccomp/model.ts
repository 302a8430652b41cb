import { archTable, type SeccompArch } from './syscalls.ts';

/** What happens to a system call (seccomp(2)). `data` of errno is the errno, of trace what the tracer gets. */
export interface SeccompAction {
  readonly kind: 'allow' | 'errno' | 'kill-process' | 'kill-thread' | 'trap' | 'log' | 'trace';
  readonly data: number;
}

export type Comparison = 'ne' | 'lt' | 'le' | 'eq' | 'ge' | 'gt';

/** A test of one argument: `(argument & mask) op value`, unsigned. */
export interface Condition {
  /** 0 to 5. */
  readonly index: number;
  readonly op: Comparison;
  readonly value: bigint;
  readonly mask: bigint;
}

/** Calls that get an action when one of `anyOf` holds, each a list of conditions that must all hold; empty: always. */
export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: SeccompAction;
  readonly anyOf: readonly (readonly Condition[])[];
}

/**
 * A filter as the engine thinks of it. For a call the first rule that fits decides; a call without one gets the default.
 * Calls of a processor that is not listed kill the process. Numbers that no table knows, newer than this engine, get
 * ENOSYS, so that a program falls back to an older call; unless the default lets everything through.
 */
export interface SeccompProfile {
  readonly defaultAction: SeccompAction;
  readonly arches: readonly SeccompArch[];
  readonly rules: readonly SeccompRule[];
  /** SECCOMP_FILTER_FLAG_*; undefined for the runtime's own choice. */
  readonly flags: readonly string[] | undefined;
}

export const allow: SeccompAction = { kind: 'allow', data: 0 };
export const errno = (data: number): SeccompAction => ({ kind: 'errno', data });
export const EPERM = 1;
export const ENOSYS = 38;

/** All 64 bits of an argument. */
export const fullMask = 0xffff_ffff_ffff_ffffn;
/** The half that the kernel looks at where an argument is an `int`: the rest may hold anything. */
export const intMask = 0xffff_ffffn;

/** Numbers from here on are those of the x32 ABI, which is refused: it would slip past rules for x86_64. */
export const x32Bit = 0x4000_0000;

/** Lets a call pass whose number is not known? Only where the default lets all calls pass. */
export function unknownCallAction(profile: SeccompProfile): SeccompAction {
  const { kind } = profile.defaultAction;
  return kind === 'allow' || kind === 'log' || kind === 'trace' ? profile.defaultAction : errno(ENOSYS);
}

/** The rules that may decide each named call, in order, up to the first without conditions. */
export function rulesByName(profile: SeccompProfile): ReadonlyMap<string, readonly SeccompRule[]> {
  const index = new Map<string, SeccompRule[]>();
  for (const rule of profile.rules) {
    for (const name of rule.names) {
      const found = index.get(name);
      if (found === undefined) index.set(name, [rule]);
      else if (found.at(-1)?.anyOf.length !== 0) found.push(rule);
    }
  }
  return index;
}

/** What the profile says, by definition; the compiled program has to agree (see compile.test.ts). */
export function decide(
  profile: SeccompProfile,
  arch: SeccompArch,
  number: number,
  args: readonly bigint[],
): SeccompAction {
  if (!profile.arches.includes(arch)) return { kind: 'kill-process', data: 0 };
  if (arch === 'x86_64' && number >= x32Bit) return errno(ENOSYS);
  for (const [name, known] of archTable(arch).numberOf) {
    if (known !== number) continue;
    const rule = profile.rules.find(
      ({ names, anyOf }) =>
        names.includes(name) && (anyOf.length === 0 || anyOf.some((all) => all.every((one) => holds(one, args)))),
    );
    return rule?.action ?? profile.defaultAction;
  }
  return unknownCallAction(profile);
}

function holds({ index, op, value, mask }: Condition, args: readonly bigint[]): boolean {
  const left = (args[index] ?? 0n) & mask;
  switch (op) {
    case 'ne':
      return left !== value;
    case 'lt':
      return left < value;
    case 'le':
      return left <= value;
    case 'eq':
      return left === value;
    case 'ge':
      return left >= value;
    case 'gt':
      return left > value;
  }
}
