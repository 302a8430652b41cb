import type { OciSeccomp, OciSeccompAction, OciSeccompArg, OciSeccompOperator } from '../../../spec/oci/runtime.ts';
import {
  type Comparison,
  type Condition,
  fullMask,
  intMask,
  type SeccompAction,
  type SeccompProfile,
} from './model.ts';
import { archTable } from './syscalls.ts';

const actions: Readonly<Record<SeccompAction['kind'], OciSeccompAction>> = {
  allow: 'SCMP_ACT_ALLOW',
  errno: 'SCMP_ACT_ERRNO',
  'kill-process': 'SCMP_ACT_KILL_PROCESS',
  'kill-thread': 'SCMP_ACT_KILL_THREAD',
  trap: 'SCMP_ACT_TRAP',
  log: 'SCMP_ACT_LOG',
  trace: 'SCMP_ACT_TRACE',
};

const operators: Readonly<Record<Comparison, OciSeccompOperator>> = {
  ne: 'SCMP_CMP_NE',
  lt: 'SCMP_CMP_LT',
  le: 'SCMP_CMP_LE',
  eq: 'SCMP_CMP_EQ',
  ge: 'SCMP_CMP_GE',
  gt: 'SCMP_CMP_GT',
};

/**
 * The profile for a runtime that compiles it itself (runc; crun without the ready program). A test of an `int` becomes
 * one of all 64 bits there: garbage in the upper half then fits no rule that allows.
 */
export function ociSeccomp(profile: SeccompProfile): OciSeccomp {
  const { kind, data } = profile.defaultAction;
  return {
    defaultAction: actions[kind],
    ...(kind === 'errno' ? { defaultErrnoRet: data } : {}),
    architectures: profile.arches.map((arch) => archTable(arch).scmp),
    ...(profile.flags === undefined ? {} : { flags: [...profile.flags] }),
    syscalls: profile.rules.flatMap(({ names, action, anyOf }) => {
      const base = {
        names: [...names],
        action: actions[action.kind],
        ...(action.kind === 'errno' || action.kind === 'trace' ? { errnoRet: action.data } : {}),
      };
      return anyOf.length === 0 ? [base] : anyOf.map((all) => ({ ...base, args: all.map(ociArgument) }));
    }),
  };
}

function ociArgument({ index, op, value, mask }: Condition): OciSeccompArg {
  if (op === 'eq' && mask !== fullMask && mask !== intMask) {
    return { index, value: mask, valueTwo: value, op: 'SCMP_CMP_MASKED_EQ' };
  }
  return { index, value, op: operators[op] };
}
