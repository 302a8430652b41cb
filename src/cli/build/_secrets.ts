import { readFileSync, statSync } from 'node:fs';
import { invalid } from '../../base/errors.ts';
import type { Environment } from '../config.ts';
import { CliError } from '../errors.ts';
import { readSecret } from '../terminal/secret.ts';
import { isTerminal } from '../terminal/tty.ts';
import { keyValues } from './_fields.ts';
import type { SecretSource } from './session/services.ts';
import type { Agent } from './session/ssh.ts';
import { type AgentKey, LockedKey, readAgentKey } from './session/ssh-keys.ts';

/** `id=ID[,src=PATH|,env=NAME][,type=file|env]`; with an id alone it is a variable or a file of that name. */
export function secretsOf(texts: readonly string[], env: Environment): Map<string, SecretSource> {
  const secrets = new Map<string, SecretSource>();
  for (const text of texts) {
    const fields = keyValues('secret', text);
    for (const key of fields.keys()) {
      if (!['id', 'src', 'source', 'env', 'type'].includes(key)) {
        throw invalid(
          `--secret: unexpected key ${JSON.stringify(key)} in ${JSON.stringify(text)}: expected id, src, env or type`,
        );
      }
    }
    const type = fields.get('type') ?? '';
    if (!['', 'file', 'env'].includes(type)) throw invalid(`unsupported secret type ${JSON.stringify(type)}`);
    const id = fields.get('id') ?? '';
    if (id === '') throw invalid(`--secret: ${JSON.stringify(text)}: expected id=ID[,src=PATH|,env=NAME]`);
    secrets.set(id, sourceOf(id, type, fields, env));
  }
  return secrets;
}

function sourceOf(id: string, type: string, fields: ReadonlyMap<string, string>, env: Environment): SecretSource {
  const file = fields.get('src') ?? fields.get('source') ?? '';
  const variable = fields.get('env') ?? '';
  if (variable !== '') return { env: variable };
  if (type === 'env') return { env: file === '' ? id : file };
  if (file === '' && type === '' && env[id] !== undefined) return { env: id };
  const path = file === '' ? id : file;
  if (statSync(path, { throwIfNoEntry: false }) === undefined) {
    throw new CliError(`failed to stat ${path}: stat ${path}: no such file or directory`);
  }
  return { path };
}

/** `default`, `ID=SOCKET`, `ID=KEY[,KEY...]`: the agents that RUN --mount=type=ssh may use. @throws CliError */
export function agentsOf(texts: readonly string[], env: Environment): Map<string, Agent> {
  const agents = new Map<string, Agent>();
  for (const text of texts) {
    const equals = text.indexOf('=');
    const id = equals < 0 ? text : text.slice(0, equals);
    const paths = (equals < 0 ? (env['SSH_AUTH_SOCK'] ?? '') : text.slice(equals + 1)).split(',');
    const [first = ''] = paths;
    if (first === '') throw new CliError('invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set');
    const isSocket = statSync(first, { throwIfNoEntry: false })?.isSocket() === true;
    if (isSocket && paths.length > 1) throw new CliError(`--ssh: ${text}: only one socket is allowed`);
    agents.set(id === '' ? 'default' : id, isSocket ? { socket: first } : { keys: paths.map(readKey) });
  }
  return agents;
}

/** @throws CliError for one that cannot be used; nothing of the key is in the message */
function readKey(path: string): AgentKey {
  try {
    const text = readFileSync(path, 'utf8');
    try {
      return readAgentKey(text, path);
    } catch (error) {
      if (!(error instanceof LockedKey)) throw error;
      return readAgentKey(text, path, passphraseFor(path));
    }
  } catch (error) {
    throw new CliError(`failed to read the ssh key ${path}: ${(error as Error).message}`);
  }
}

/** Asks for it, where there is somebody to ask: errors are shown to people, too. */
function passphraseFor(path: string): string {
  if (!isTerminal(2)) {
    throw new CliError(
      'the key has a passphrase, and there is no terminal to ask for it: add it to an agent (ssh-add)',
    );
  }
  const passphrase = readSecret(`Enter passphrase for ${path}: `);
  process.stderr.write('\n');
  return passphrase;
}
