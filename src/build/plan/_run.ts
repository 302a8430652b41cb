import { messageOf } from '../../base/errors.ts';
import { goQuote } from '../../base/text/quote.ts';
import { formatPlatform } from '../../spec/oci/platform.ts';
import { DockerfileError } from '../dockerfile/error.ts';
import { type Mount, parseMount } from '../dockerfile/mount.ts';
import type { RunInstruction } from '../dockerfile/run.ts';
import type { Range } from '../dockerfile/source.ts';
import type { FileOwner, RunMount } from '../graph/operation.ts';
import { cleanPath } from '../ignore/clean-path.ts';
import { proxyVariables } from './proxies.ts';
import { about, type Scope, shown, text } from './_scope.ts';
import { absolutePath, commandWords } from './_settings.ts';
import { listed, note } from './_state.ts';

/** A RUN being put together: its inputs besides the root. */
interface Draft {
  readonly scope: Scope;
  readonly instruction: RunInstruction;
  readonly inputs: Map<number, number>;
  readonly mounts: RunMount[];
}

/** @param sources the places of the sources of mounts in the graph; undefined for a mount that names none */
export function applyRun(scope: Scope, instruction: RunInstruction, sources: readonly (number | undefined)[]): void {
  const { state, graph, options } = scope;
  const draft: Draft = { scope, instruction, inputs: new Map(), mounts: [] };
  instruction.mounts.forEach(({ flag }, at) => {
    const mount = readMount(scope, instruction, flag);
    addMount(draft, mount, sources[at], flag.range);
  });
  const args = runArguments(draft);
  const { hostname, shmSize, hosts, ulimits } = options;
  const platform = formatPlatform(state.programs);
  const definition = {
    kind: 'run',
    args,
    env: environment(scope),
    cwd: state.config.WorkingDir || '/',
    user: state.config.User ?? '',
    mounts: draft.mounts,
    network: instruction.network === 'default' ? options.network : instruction.network,
    security: instruction.security,
    devices: instruction.devices,
    hosts,
    ...(hostname === undefined ? {} : { hostname }),
    ...(shmSize === undefined ? {} : { shmSize }),
    ulimits,
    ...(platform === formatPlatform(options.buildPlatform) ? {} : { platform }),
  } as const;
  const title = titleOf(scope, instruction);
  const shownAs = { ...about(scope, title, instruction.range), proxies: proxyVariables(options.args) };
  state.root = graph.add(definition, [state.root, ...draft.inputs.keys()], shownAs);
  note(scope, historyOf(scope, args), true);
}

/** What RUN sees: each has all of it, however many there are. */
function environment({ state, budget }: Scope): string[] {
  const env = listed(state.variables);
  budget.spend(env.reduce((sum, { length }) => sum + length, 0));
  return env;
}

function titleOf(scope: Scope, instruction: RunInstruction): string {
  const title = shown(scope, instruction, { keepsQuotes: true });
  if (instruction.command.form !== 'script') return title;
  const [first = '', ...more] = instruction.command.content.trim().split('\n');
  return `${title} (${first.trimEnd()}${more.length > 0 ? '...' : ''})`;
}

/** `RUN |2 A=1 B=2 /bin/sh -c make`: build arguments that were set before, then what ran. */
function historyOf({ state }: Scope, args: readonly string[]): string {
  const set = [...state.args].map(([name, value]) => `${name}=${state.variables.get(name) ?? value ?? ''}`);
  const words = set.length === 0 ? args : [`|${set.length}`, ...set, ...args];
  return `RUN ${words.join(' ')} # buildkit`;
}

/** Where a script with `#!` is shown to the program. */
const scriptFolder = '/dev/pipes';

function runArguments(draft: Draft): readonly string[] {
  const { scope, instruction } = draft;
  const { command } = instruction;
  if (command.form !== 'script') return commandWords(scope, command);
  if (!command.content.startsWith('#!')) return commandWords(scope, { form: 'shell', text: command.content });
  const definition = { kind: 'inline', name: command.name, content: command.content, mode: 0o755 } as const;
  const script = scope.graph.add(definition, [], { title: 'inline script', range: instruction.range, noCache: false });
  draft.mounts.push({ type: 'bind', target: scriptFolder, from: inputOf(draft, script), source: '/', readonly: true });
  return commandWords(scope, { form: 'shell', text: `${scriptFolder}/${command.name}` });
}

function inputOf({ inputs }: Draft, operation: number): number {
  const place = inputs.get(operation) ?? inputs.size + 1;
  inputs.set(operation, place);
  return place;
}

function readMount(scope: Scope, instruction: RunInstruction, flag: { text: string; range: Range }): Mount {
  try {
    return parseMount(flag.text, (value) => text(scope, instruction, { text: value, range: flag.range }));
  } catch (error) {
    throw error instanceof DockerfileError ? error : new DockerfileError(messageOf(error), flag.range);
  }
}

function addMount(draft: Draft, mount: Mount, source: number | undefined, range: Range): void {
  switch (mount.type) {
    case 'secret':
      return void draft.mounts.push(secretMount(draft.scope, mount));
    case 'ssh':
      return void draft.mounts.push(sshMount(draft.scope, mount, range));
    case 'tmpfs':
      return void draft.mounts.push({ type: 'tmpfs', target: targetOf(draft, mount, range), size: mount.size });
    case 'cache':
      return addCache(draft, mount, source, range);
    case 'bind': {
      const from = source ?? draft.scope.context();
      const path = cleanPath(`/${mount.source}`);
      draft.scope.use(from, path);
      const target = targetOf(draft, mount, range);
      const { readonly } = mount;
      return void draft.mounts.push({ type: 'bind', target, from: inputOf(draft, from), source: path, readonly });
    }
  }
}

function targetOf({ scope }: Draft, { target }: Mount, range: Range): string {
  const path = absolutePath(scope, target);
  if (path !== '/') return path;
  throw new DockerfileError(`invalid mount target ${goQuote(path)}`, range, { expected: 'target= and a path' });
}

function addCache(draft: Draft, mount: Mount, source: number | undefined, range: Range): void {
  const { graph, use, options } = draft.scope;
  const { cacheNamespace } = options;
  const id = mount.id === '' ? cleanPath(mount.target) : mount.id;
  const empty = { title: 'scratch', range: undefined, noCache: false };
  const from = source ?? graph.add({ kind: 'scratch' }, [], empty);
  const path = cleanPath(`/${mount.source}`);
  use(from, path);
  const owner = ownerOf(mount, 0o755);
  draft.mounts.push({
    type: 'cache',
    target: targetOf(draft, mount, range),
    id: cacheNamespace === undefined ? id : cleanPath(`/${cacheNamespace}/${id}`),
    sharing: mount.sharing ?? 'shared',
    from: inputOf(draft, from),
    source: path,
    readonly: mount.readonly,
    ...(path !== '/' || owner === undefined ? {} : { owner }),
  });
}

/** Undefined when nothing was asked for. */
function ownerOf({ uid, gid, mode }: Mount, usualMode: number): FileOwner | undefined {
  if (uid === undefined && gid === undefined && mode === undefined) return undefined;
  return { uid: uid ?? 0, gid: gid ?? 0, mode: mode ?? usualMode };
}

const lastPart = (path: string): string => path.split('/').findLast((part) => part !== '') ?? '';

function secretMount(scope: Scope, mount: Mount): RunMount {
  const id = mount.source || mount.id || lastPart(mount.target);
  const target = mount.target || (mount.env === undefined ? `/run/secrets/${lastPart(id)}` : '');
  return {
    type: 'secret',
    id,
    ...(target === '' ? {} : { target: absolutePath(scope, target) }),
    ...(mount.env === undefined ? {} : { env: mount.env === '' ? id : mount.env }),
    required: mount.required,
    owner: ownerOf(mount, 0o400) ?? { uid: 0, gid: 0, mode: 0o400 },
  };
}

function sshMount(scope: Scope, mount: Mount, range: Range): RunMount {
  if (mount.source !== '') throw new DockerfileError('ssh does not support source', range);
  return {
    type: 'ssh',
    id: mount.id === '' ? 'default' : mount.id,
    ...(mount.target === '' ? {} : { target: absolutePath(scope, mount.target) }),
    required: mount.required,
    owner: ownerOf(mount, 0o600) ?? { uid: 0, gid: 0, mode: 0o600 },
  };
}
