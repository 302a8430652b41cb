import { messageOf } from '../../base/errors.ts';
import { formatDuration } from '../../base/text/duration.ts';
import { goQuote, goQuoteCharacter } from '../../base/text/quote.ts';
import { parseSignal } from '../../base/text/signals.ts';
import type {
  CommandInstruction,
  CommandLine,
  HealthcheckInstruction,
  ShellInstruction,
} from '../dockerfile/command.ts';
import { DockerfileError } from '../dockerfile/error.ts';
import type { ArgInstruction } from '../dockerfile/from.ts';
import type { StageInstruction } from '../dockerfile/instruction.ts';
import type { PairsInstruction, WordInstruction, WordsInstruction } from '../dockerfile/setting.ts';
import type { Range } from '../dockerfile/source.ts';
import { cleanPath } from '../ignore/clean-path.ts';
import { about, expanded, find, isBuildSetting, type Scope, shown, text } from './_scope.ts';
import { note } from './_state.ts';
import { argumentsUsed } from './global-arguments.ts';
import { looksSecret } from './looks-secret.ts';
import { parseExposed } from './ports.ts';

export function applyPairs(scope: Scope, instruction: PairsInstruction): void {
  const { env, labels, variables } = scope.state;
  const keyword = instruction.kind.toUpperCase();
  const pairs = instruction.pairs.map(({ key, value, isLegacy }) => {
    if (isLegacy) {
      const written = instruction.keyword.text;
      const detail = `"${written} key=value" should be used instead of legacy "${written} key value" format`;
      find(scope, instruction, 'LegacyKeyValueFormat', detail);
    }
    return [text(scope, instruction, key), text(scope, instruction, value)] as const;
  });
  for (const [name, value] of pairs) {
    if (instruction.kind === 'label') labels.set(name, value);
    else {
      reportSecret(scope, instruction, 'ENV', name);
      variables.set(name, value);
      env.set(name, value);
    }
  }
  note(scope, `${keyword} ${pairs.map(([name, value]) => `${name}=${value}`).join(' ')}`);
}

function reportSecret(scope: Scope, instruction: StageInstruction, keyword: string, name: string): void {
  if (!looksSecret(name)) return;
  const detail = `Do not use ARG or ENV instructions for sensitive data (${keyword} ${goQuote(name)})`;
  find(scope, instruction, 'SecretsUsedInArgOrEnv', detail);
}

/** The value of a build argument, else the default, else what an ARG before the first FROM has. */
export function applyArg(scope: Scope, instruction: ArgInstruction): void {
  const { state, options, globals } = scope;
  const noted = instruction.args.map(({ name, value, range, description }) => {
    reportSecret(scope, instruction, 'ARG', name);
    let set = options.args.get(name);
    if (set === undefined && value !== undefined) set = text(scope, instruction, { text: value, range });
    else if (set === undefined) set = globals.values.get(name);
    if (options.args.has(name) || value !== undefined || !globals.values.has(name)) {
      scope.declare({ name, value: set, range, description });
    } else for (const argument of argumentsUsed(globals, [name])) scope.declare(argument);
    if (set !== undefined && !isBuildSetting(name)) state.variables.set(name, set);
    state.args.set(name, set);
    return set === undefined ? name : `${name}=${set}`;
  });
  note(scope, `ARG ${noted.join(' ')}`);
}

export function applyWord(scope: Scope, instruction: WordInstruction): void {
  const { state } = scope;
  if (instruction.kind === 'maintainer') {
    state.author = instruction.word.text;
    return note(scope, `MAINTAINER ${instruction.word.text}`);
  }
  const word = text(scope, instruction, instruction.word);
  if (instruction.kind === 'workdir') return applyWorkdir(scope, instruction, word);
  if (instruction.kind === 'user') {
    state.config.User = word;
    return note(scope, `USER ${word}`);
  }
  try {
    parseSignal(word);
  } catch (error) {
    throw new DockerfileError(messageOf(error), instruction.word.range, { expected: 'a signal as SIGTERM or 15' });
  }
  state.config.StopSignal = word;
  note(scope, `STOPSIGNAL ${word}`);
}

/** A folder is made when it is not there; nothing is to be made for the root. */
function applyWorkdir(scope: Scope, instruction: WordInstruction, path: string): void {
  const { state, graph } = scope;
  if (!state.hasWorkdir && !path.startsWith('/')) {
    const detail = `Relative workdir ${goQuote(path)} can have unexpected results if the base image changes`;
    find(scope, instruction, 'WorkdirRelativePath', detail);
  }
  state.hasWorkdir = true;
  const folder = absolutePath(scope, path);
  // Docker keeps what is written of an absolute path.
  const written = path.startsWith('/') ? path : folder;
  state.config.WorkingDir = written;
  if (folder !== '/') {
    const { User: user } = state.config;
    const definition = { kind: 'mkdir', path: folder, mode: 0o755, ...(user ? { user } : {}) } as const;
    const title = shown(scope, instruction);
    state.root = graph.add(definition, [state.root], about(scope, title, instruction.range));
  }
  note(scope, `WORKDIR ${written}`, folder !== '/');
}

/** A path as instructions mean it: relative ones in the working directory. Clean, without a closing slash. */
export const absolutePath = ({ state }: Scope, path: string): string =>
  cleanPath(path.startsWith('/') ? path : `/${state.config.WorkingDir ?? ''}/${path}`);

export function applyVolume(scope: Scope, instruction: WordsInstruction): void {
  const volumes = instruction.words.map((word) => {
    const volume = text(scope, instruction, word);
    if (volume === '') throw new DockerfileError('VOLUME specified can not be an empty string', word.range);
    return volume;
  });
  for (const volume of volumes) scope.state.volumes.add(volume);
  note(scope, `VOLUME [${volumes.join(' ')}]`);
}

export function applyExpose(scope: Scope, instruction: WordsInstruction): void {
  const words = [...instruction.words].sort((a, b) => (a.text < b.text ? -1 : 1));
  const ports = words.flatMap((word) =>
    expanded(scope, instruction, word, { reports: false }).words.flatMap((one) =>
      exposedPorts(scope, instruction, one, word.range),
    ),
  );
  for (const port of ports) scope.state.ports.add(port);
  note(scope, `EXPOSE [${ports.join(' ')}]`);
}

function exposedPorts(scope: Scope, instruction: WordsInstruction, word: string, range: Range): readonly string[] {
  try {
    const { ports, hasUpperCase, hasHost } = parseExposed(word);
    scope.budget.spend(ports.length);
    if (hasUpperCase) {
      const detail = `Defined protocol '${word}' in EXPOSE instruction should be lowercase`;
      find(scope, instruction, 'ExposeProtoCasing', detail);
    }
    if (hasHost) {
      const detail = `EXPOSE instruction should not define an IP address or host-port mapping, found '${word}'`;
      find(scope, instruction, 'ExposeInvalidFormat', detail);
    }
    return ports;
  } catch (error) {
    throw new DockerfileError(messageOf(error), range, { expected: 'port[-port][/tcp|udp|sctp]' });
  }
}

const quotedList = (words: readonly string[]): string => `[${words.map(goQuote).join(' ')}]`;

/** The words of the exec form, or the shell and the text for it. */
export function commandWords({ state }: Scope, command: CommandLine): readonly string[] {
  if (command.form === 'exec') return command.words.map(({ text: word }) => word);
  return [...shellOf(state.config.Shell), command.text];
}

const shellOf = (shell: readonly string[] | undefined): readonly string[] =>
  shell === undefined || shell.length === 0 ? ['/bin/sh', '-c'] : shell;

export function applyCommand(scope: Scope, instruction: CommandInstruction): void {
  const { config } = scope.state;
  const { kind, command } = instruction;
  reportTwice(scope, instruction, kind);
  if (command.form === 'shell' && (config.Shell ?? []).length === 0) {
    const detail = `JSON arguments recommended for ${instruction.keyword.text} to prevent unintended behavior related to OS signals`;
    find(scope, instruction, 'JSONArgsRecommended', detail);
  }
  const words = commandWords(scope, command);
  if (kind === 'cmd') {
    config.Cmd = words;
    config.ArgsEscaped = true;
  } else {
    if (words.length > 0) config.Entrypoint = words;
    else delete config.Entrypoint;
    // A command that the base has was meant for its own entry point.
    if (scope.once.cmd === undefined) delete config.Cmd;
  }
  note(scope, `${kind.toUpperCase()} ${quotedList(words)}`);
}

/** Of several only the last one counts: the one before is the one that has no effect. */
function reportTwice(scope: Scope, instruction: StageInstruction, kind: 'cmd' | 'entrypoint' | 'healthcheck'): void {
  const earlier = scope.once[kind];
  scope.once[kind] = instruction.range;
  if (earlier === undefined) return;
  const detail = `Multiple ${instruction.keyword.text} instructions should not be used in the same stage because only the last one will be used`;
  find(scope, instruction, 'MultipleInstructionsDisallowed', detail, earlier);
}

export function applyShell(scope: Scope, { words }: ShellInstruction): void {
  const { state } = scope;
  state.config.Shell = words.map(({ text: word }) => word);
  note(scope, `SHELL [${state.config.Shell.join(' ')}]`);
}

export function applyHealthcheck(scope: Scope, instruction: HealthcheckInstruction): void {
  const { state } = scope;
  reportTwice(scope, instruction, 'healthcheck');
  const { test, interval, timeout, startPeriod, startInterval, retries } = instruction;
  const times = { Interval: interval, Timeout: timeout, StartPeriod: startPeriod, StartInterval: startInterval };
  const given = Object.entries(times).filter(([, time]) => time !== 0n);
  state.config.Healthcheck = {
    Test: test,
    ...Object.fromEntries(given.map(([name, time]) => [name, Number(time)])),
    ...(retries === 0 ? {} : { Retries: retries }),
  };
  const printed = Object.values(times).map((time) => goQuote(formatDuration(time)));
  note(scope, `HEALTHCHECK &{${[quotedList(test), ...printed, goQuoteCharacter(retries)].join(' ')}}`);
}
