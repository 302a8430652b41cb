import { conflict, EngineError, invalid } from '../base/errors.ts';
import type { TopView } from '../spec/engine/top.ts';
import { type ContainerContext, emit } from './context.ts';
import type { ContainerEntry } from './entry.ts';
import { isRestarting } from './pause.ts';

/** More arguments, or longer ones, are no request for a list of processes. */
const maxArguments = 64;
const maxArgumentsLength = 4096;
/** So many pids go to ps by name (each takes up to eight bytes of one argument); above it lists all processes. */
const maxNamedPids = 8000;

/**
 * `docker top`: the host's ps, with the caller's arguments, of the container's processes only.
 * @throws conflict when it does not run; invalid for arguments that would hide whose line is whose; internal with ps's
 * own words when it fails.
 */
export async function topContainer(
  ctx: ContainerContext,
  entry: ContainerEntry,
  psArguments: string,
): Promise<TopView> {
  const wanted = psArguments === '' ? '-ef' : psArguments;
  checkArguments(wanted);
  const { state } = entry.record;
  if (state.phase === 'restarting') throw isRestarting(entry.id);
  if (state.phase !== 'running') throw conflict(`container ${entry.id} is not running`);
  const pids = await ctx.launcher.pids(entry.id);
  const view = parseProcesses(await listProcesses(ctx, wanted.split(' '), pids), new Set(pids));
  emit(ctx, entry, 'top');
  return view;
}

/** A column that only calls itself PID would let a container show other processes' lines. */
function checkArguments(wanted: string): void {
  const words = wanted.split(' ');
  if (wanted.length > maxArgumentsLength || words.length > maxArguments) throw invalid('ps: too many arguments');
  if (wanted.includes('\0')) throw invalid('ps: arguments must not hold NUL bytes');
  for (const [, column, title] of ` ${wanted}`.matchAll(/[\s,]([^\s,=]*)=[ ]?(PID\S*)/g)) {
    if (column !== 'pid') throw invalid(`specifying "${column}=${title}" is not allowed`);
  }
}

async function listProcesses(ctx: ContainerContext, args: readonly string[], pids: readonly number[]): Promise<string> {
  const isShort = pids.length > 0 && pids.length <= maxNamedPids;
  const named = isShort ? await ctx.processes.list([...args, `-q${pids.join(',')}`]) : undefined;
  if (named?.code === 0) return named.stdout;
  // Some formats (`f`, `-C`) do not go together with a list of pids.
  const all = await ctx.processes.list(args);
  if (all.code === 0) return all.stdout;
  const [reason = ''] = all.stderr.trim().split('\n');
  throw new EngineError('internal', reason === '' ? `ps: exit status ${all.code}` : `ps: ${reason}`);
}

/** The lines of ps whose PID is one of `pids`; the last column takes the rest of its line. */
export function parseProcesses(output: string, pids: ReadonlySet<number>): TopView {
  const [header = '', ...lines] = output.split('\n');
  const titles = wordsOf(header);
  const pidColumn = titles.indexOf('PID');
  if (pidColumn < 0) throw new EngineError('internal', "Couldn't find PID field in ps output");
  const processes: string[][] = [];
  let isShown = false;
  for (const line of lines) {
    const words = wordsOf(line);
    const pid = words[pidColumn];
    if (pid === undefined) continue;
    // The threads of a process follow it, with a dash in place of the pid.
    if (pid !== '-') {
      if (!/^\d{1,10}$/.test(pid)) throw new EngineError('internal', `Unexpected pid '${pid.slice(0, 100)}'`);
      isShown = pids.has(Number(pid));
    }
    if (isShown) {
      processes.push([...words.slice(0, titles.length - 1), words.slice(titles.length - 1).join(' ')]);
    }
  }
  return { Titles: titles, Processes: processes };
}

const wordsOf = (line: string): string[] => line.split(/[ \t\r\f\v]/).filter((word) => word !== '');
