import { invalid } from '../errors.ts';

/** Linux signals by number on x86 and ARM (signal(7)), without `SIG`; index 0 is no signal. */
const standard: readonly string[] = [
  '',
  'HUP',
  'INT',
  'QUIT',
  'ILL',
  'TRAP',
  'ABRT',
  'BUS',
  'FPE',
  'KILL',
  'USR1',
  'SEGV',
  'USR2',
  'PIPE',
  'ALRM',
  'TERM',
  'STKFLT',
  'CHLD',
  'CONT',
  'STOP',
  'TSTP',
  'TTIN',
  'TTOU',
  'URG',
  'XCPU',
  'XFSZ',
  'VTALRM',
  'PROF',
  'WINCH',
  'IO',
  'PWR',
  'SYS',
];

/** The first real-time signal that programs may use: glibc and musl keep 32 and 33 to themselves. */
const realTimeFirst = 34;
const realTimeLast = 64;

const numberByName = new Map<string, number>([
  ...standard
    .entries()
    .filter(([number]) => number > 0)
    .map(([number, name]) => [name, number] as const),
  ['IOT', 6],
  ['CLD', 17],
  ['POLL', 29],
  ['UNUSED', 31],
]);

/**
 * The number of a signal written as `9`, `KILL`, `SIGKILL`, `sigkill`, `RTMIN+3` or `SIGRTMAX-1`; undefined when there
 * is no such signal.
 */
export function signalNumber(text: string): number | undefined {
  if (/^[0-9]{1,3}$/.test(text)) {
    const number = Number(text);
    return number >= 1 && number <= realTimeLast ? number : undefined;
  }
  const upper = text.toUpperCase();
  const name = upper.startsWith('SIG') ? upper.slice(3) : upper;
  return numberByName.get(name) ?? realTimeNumber(name);
}

function realTimeNumber(name: string): number | undefined {
  if (name === 'RTMIN') return realTimeFirst;
  if (name === 'RTMAX') return realTimeLast;
  const match = /^(RTMIN\+|RTMAX-)([0-9]{1,2})$/.exec(name);
  if (match === null) return undefined;
  const distance = Number(match[2]);
  const number = match[1] === 'RTMIN+' ? realTimeFirst + distance : realTimeLast - distance;
  return number >= realTimeFirst && number <= realTimeLast ? number : undefined;
}

/** Like `signalNumber`. @throws invalid, in Docker's words, when there is no such signal. */
export function parseSignal(text: string): number {
  const number = signalNumber(text);
  if (number === undefined) throw invalid(`invalid signal: ${text.slice(0, 100)}`);
  return number;
}

/** `SIGKILL` for 9, `SIGRTMIN+1` for 35; the number itself for one without a name. */
export function signalName(number: number): string {
  const name = standard[number];
  if (name !== undefined && name !== '') return `SIG${name}`;
  if (number === realTimeFirst) return 'SIGRTMIN';
  if (number > realTimeFirst && number <= realTimeLast) return `SIGRTMIN+${number - realTimeFirst}`;
  return String(number);
}
