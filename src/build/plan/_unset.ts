import { messageOf } from '../../base/errors.ts';
import { DockerfileError } from '../dockerfile/error.ts';
import type { UnsetInstruction } from '../dockerfile/unset.ts';
import { expanded, type Scope } from './_scope.ts';
import { note, type RunConfig } from './_state.ts';
import { parseExposed } from './ports.ts';

/** Takes settings out of the configuration; what is not there is no error, as in the shell. */
export function applyUnset(scope: Scope, instruction: UnsetInstruction): void {
  const { config, variables } = scope.state;
  const names = instruction.names.flatMap((word) => {
    const { words } = expanded(scope, instruction, word);
    return instruction.what === 'expose' ? words.flatMap((one) => portsOf(one, word.range)) : words;
  });
  switch (instruction.what) {
    case 'env':
      for (const name of names) variables.delete(name);
      config.Env = (config.Env ?? []).filter((entry) => !names.includes(entry.split('=', 1)[0] ?? ''));
      break;
    case 'label':
      unset(config, 'Labels', names);
      break;
    case 'expose':
      unset(config, 'ExposedPorts', names);
      break;
    case 'volume':
      unset(config, 'Volumes', names);
  }
  note(scope.state, `UNSET ${instruction.what.toUpperCase()} ${names.join(' ')}`);
}

function portsOf(word: string, range: DockerfileError['range']): readonly string[] {
  try {
    return parseExposed(word).ports;
  } catch (error) {
    throw new DockerfileError(messageOf(error), range, { expected: 'port[-port][/tcp|udp|sctp]' });
  }
}

function unset(config: RunConfig, key: 'Labels' | 'ExposedPorts' | 'Volumes', names: readonly string[]): void {
  const left = Object.entries(config[key] ?? {}).filter(([name]) => !names.includes(name));
  if (left.length === 0) delete config[key];
  else config[key] = Object.fromEntries(left) as Record<string, string>;
}
