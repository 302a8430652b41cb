import { messageOf } from '../../base/errors.ts';
import { DockerfileError } from '../dockerfile/error.ts';
import type { UnsetInstruction } from '../dockerfile/unset.ts';
import { expanded, type Scope } from './_scope.ts';
import { note } from './_state.ts';
import { parseExposed } from './ports.ts';

/** Takes settings out of the configuration; what is not there is no error, as in the shell. */
export function applyUnset(scope: Scope, instruction: UnsetInstruction): void {
  const { env, labels, ports, volumes, variables } = scope.state;
  const lists = { env, label: labels, expose: ports, volume: volumes };
  const names = instruction.names.flatMap((word) => {
    const { words } = expanded(scope, instruction, word);
    return instruction.what === 'expose' ? words.flatMap((one) => portsOf(one, word.range)) : words;
  });
  for (const name of names) {
    lists[instruction.what].delete(name);
    if (instruction.what === 'env') variables.delete(name);
  }
  note(scope, `UNSET ${instruction.what.toUpperCase()} ${names.join(' ')}`);
}

function portsOf(word: string, range: DockerfileError['range']): readonly string[] {
  try {
    return parseExposed(word).ports;
  } catch (error) {
    throw new DockerfileError(messageOf(error), range, { expected: 'port[-port][/tcp|udp|sctp]' });
  }
}
