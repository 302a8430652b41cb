import { invalid } from '../../../base/errors.ts';
import {
  type Condition,
  ENOSYS,
  errno,
  rulesByName,
  type SeccompAction,
  type SeccompProfile,
  type SeccompRule,
  unknownCallAction,
  x32Bit,
} from './model.ts';
import { archTable, type SeccompArch } from './syscalls.ts';

/** One instruction of classic BPF (linux/filter.h): `jt` and `jf` are the instructions to skip. */
interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

// Codes of linux/bpf_common.h, put together.
const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K
const JUMP = 0x05; // BPF_JMP | BPF_JA
const JEQ = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JGT = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const JGE = 0x35; // BPF_JMP | BPF_JGE | BPF_K

// Offsets in struct seccomp_data; arguments have 64 bits, lower half first on both processors.
const atNumber = 0;
const atArch = 4;
const lowOf = (index: number): number => 16 + 8 * index;
const highOf = (index: number): number => lowOf(index) + 4;

/** BPF_MAXINSNS: a longer program is refused by the kernel. */
const maxInstructions = 4096;
const farthestJump = 255;

/** A place in the program, as its distance from the end. */
type Label = number;

/**
 * Writes a program from its end to its beginning: the targets of a jump are known when it is written, because classic
 * BPF jumps forward only. Every instruction that is not a jump or a return falls through to the one written before it.
 */
class BackwardAssembler {
  /** Last instruction first. */
  readonly #reversed: Instruction[] = [];
  readonly #returns = new Map<number, Label>();

  emit(code: number, k: number, jt = 0, jf = 0): Label {
    this.#reversed.push({ code, jt, jf, k: k >>> 0 });
    return this.#reversed.length;
  }

  /** Instructions between the next one to be written and `label`. */
  #distance(label: Label): number {
    return this.#reversed.length - label;
  }

  /** A label that one byte reaches: `label` itself or a jump to it. Keeps a place free for a second such jump. */
  #near(label: Label): Label {
    return this.#distance(label) < farthestJump ? label : this.emit(JUMP, this.#distance(label));
  }

  /** Goes to `yes` or `no` by a comparison of the accumulator with `k`. */
  branch(code: number, k: number, yes: Label, no: Label): Label {
    if (yes === no) return yes;
    const nearYes = this.#near(yes);
    const nearNo = this.#near(no);
    return this.emit(code, k, this.#distance(nearYes), this.#distance(nearNo));
  }

  /** Loads the word at `offset`, then goes on at `next`. */
  load(offset: number, next: Label): Label {
    return this.#before(LOAD, offset, next);
  }

  /** Drops the accumulator's bits outside `mask`, then goes on at `next`. */
  and(mask: number, next: Label): Label {
    return this.#before(AND, mask, next);
  }

  /** An instruction that falls through to `next`, by a jump when something else was written in between. */
  #before(code: number, k: number, next: Label): Label {
    if (this.#distance(next) > 0) this.emit(JUMP, this.#distance(next));
    return this.emit(code, k);
  }

  /** A return of this action; one that is near is used again. */
  result(action: SeccompAction): Label {
    const value = returnValue(action);
    const known = this.#returns.get(value);
    if (known !== undefined && this.#distance(known) < farthestJump) return known;
    const label = this.emit(RETURN, value);
    this.#returns.set(value, label);
    return label;
  }

  /** The program: 8 bytes an instruction, as `struct sock_filter` lies in memory. */
  finish(): Uint8Array {
    const count = this.#reversed.length;
    if (count > maxInstructions)
      throw invalid(`the seccomp profile needs ${count} instructions, more than the kernel takes`);
    const bytes = new Uint8Array(count * 8);
    const view = new DataView(bytes.buffer);
    for (const [at, { code, jt, jf, k }] of this.#reversed.toReversed().entries()) {
      view.setUint16(at * 8, code, true);
      view.setUint8(at * 8 + 2, jt);
      view.setUint8(at * 8 + 3, jf);
      view.setUint32(at * 8 + 4, k, true);
    }
    return bytes;
  }
}

const returnBases: Readonly<Record<SeccompAction['kind'], number>> = {
  'kill-process': 0x8000_0000,
  'kill-thread': 0,
  trap: 0x0003_0000,
  errno: 0x0005_0000,
  trace: 0x7ff0_0000,
  log: 0x7ffc_0000,
  allow: 0x7fff_0000,
};

/** SECCOMP_RET_* with its data in the lower 16 bits (linux/seccomp.h). */
export const returnValue = ({ kind, data }: SeccompAction): number => (returnBases[kind] | (data & 0xffff)) >>> 0;

/**
 * The classic BPF program of a profile, for seccomp(2) with SECCOMP_SET_MODE_FILTER. It looks at the processor, finds
 * the number by binary search, and then at the arguments. Calls that are always allowed touch nothing else, so that the
 * kernel remembers them and never runs the program for them again.
 * @throws invalid when it would be too long for the kernel.
 */
export function compileProfile(profile: SeccompProfile): Uint8Array {
  const assembler = new BackwardAssembler();
  let next = assembler.result({ kind: 'kill-process', data: 0 });
  const sections = profile.arches.map((arch) => ({ arch, label: section(assembler, profile, arch) }));
  for (const { arch, label } of sections.toReversed()) {
    next = assembler.branch(JEQ, archTable(arch).audit, label, next);
  }
  assembler.load(atArch, next);
  return assembler.finish();
}

/** Numbers from `from` up to the next entry's that are treated alike. */
interface Range {
  readonly from: number;
  readonly label: Label;
}

/** All calls of one processor. */
function section(assembler: BackwardAssembler, profile: SeccompProfile, arch: SeccompArch): Label {
  const decisions = new Map<number, () => Label>();
  const rules = rulesByName(profile);
  for (const [name, number] of archTable(arch).numberOf) {
    decisions.set(number, () => decision(assembler, profile, rules.get(name) ?? []));
  }
  const unknown = unknownCallAction(profile);
  // From the highest number down: the code of neighbours lies together.
  const ranges: Range[] = [];
  const add = (from: number, label: Label): void => {
    if (ranges.at(-1)?.label === label) ranges.pop();
    ranges.push({ from, label });
  };
  if (arch === 'x86_64') add(x32Bit, assembler.result(errno(ENOSYS)));
  let above = Infinity;
  for (const number of [...decisions.keys()].sort((a, b) => b - a)) {
    if (number + 1 < above) add(number + 1, assembler.result(unknown));
    const make = decisions.get(number);
    if (make !== undefined) add(number, make());
    above = number;
  }
  if (above > 0) add(0, assembler.result(unknown));
  return assembler.load(atNumber, search(assembler, ranges.toReversed()));
}

/** Binary search: `ranges` rise, and the first begins at or below every number that comes here. */
function search(assembler: BackwardAssembler, ranges: readonly Range[]): Label {
  const middle = ranges.length >> 1;
  const pivot = ranges[middle];
  if (pivot === undefined) throw invalid('a seccomp profile without calls');
  if (ranges.length === 1) return pivot.label;
  const upper = search(assembler, ranges.slice(middle));
  const lower = search(assembler, ranges.slice(0, middle));
  return assembler.branch(JGE, pivot.from, upper, lower);
}

/** The rules of one call, first to last, and the default. */
function decision(assembler: BackwardAssembler, profile: SeccompProfile, rules: readonly SeccompRule[]): Label {
  let otherwise: Label | undefined;
  for (const rule of rules.toReversed()) {
    if (rule.anyOf.length === 0) {
      otherwise = assembler.result(rule.action);
      continue;
    }
    for (const all of rule.anyOf.toReversed()) {
      const no = otherwise ?? assembler.result(profile.defaultAction);
      let yes = assembler.result(rule.action);
      for (const condition of all.toReversed()) yes = test(assembler, condition, yes, no);
      otherwise = yes;
    }
  }
  return otherwise ?? assembler.result(profile.defaultAction);
}

/** Goes to `yes` when the condition holds, else to `no`: upper half first, then the lower one. */
function test(assembler: BackwardAssembler, condition: Condition, yes: Label, no: Label): Label {
  const { op } = condition;
  if (op === 'ne') return test(assembler, { ...condition, op: 'eq' }, no, yes);
  if (op === 'lt') return test(assembler, { ...condition, op: 'ge' }, no, yes);
  if (op === 'le') return test(assembler, { ...condition, op: 'gt' }, no, yes);
  const { index, value, mask } = condition;
  const low = half(value);
  const high = half(value >> 32n);
  const lowCode = op === 'eq' ? JEQ : op === 'gt' ? JGT : JGE;
  const lowTest = masked(assembler, lowOf(index), half(mask), assembler.branch(lowCode, low, yes, no));
  const highMask = half(mask >> 32n);
  if (highMask === 0) return high === 0 ? lowTest : no;
  const equalHigh = assembler.branch(JEQ, high, lowTest, no);
  const highTest = op === 'eq' ? equalHigh : assembler.branch(JGT, high, yes, equalHigh);
  return masked(assembler, highOf(index), highMask, highTest);
}

const half = (value: bigint): number => Number(value & 0xffff_ffffn);

/** Loads half an argument, drops the bits outside the mask, and goes on at `next`. */
function masked(assembler: BackwardAssembler, offset: number, mask: number, next: Label): Label {
  if (mask === 0xffff_ffff) return assembler.load(offset, next);
  return assembler.load(offset, assembler.and(mask, next));
}
