import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { chown, open, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { EngineError } from '../../base/errors.ts';
import type { Agents, Secrets } from '../solve/scope.ts';

/** The name under which clients forward the agent that repositories are asked with, as BuildKit's. */
const agentId = 'default';
/** A client's secret: the keys of hosts (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT), and no other one is taken then. */
const knownHostsSecret = 'GIT_SSH_KNOWN_HOSTS';
const knownHosts = 'known_hosts';

export interface SshWish {
  /** Of the repository, in which nothing of a stranger is yet. */
  readonly directory: string;
  /** How the programs that run in that folder see it. */
  readonly seenAt: string;
  /** Whom they run as. */
  readonly user: number;
  readonly agents: Agents;
  readonly secrets: Secrets;
  readonly signal: AbortSignal;
}

/** How git reaches a host by ssh. `close` ends the way to the agent. */
export interface SshAccess {
  readonly env: Readonly<Record<string, string>>;
  /** Keys that hosts have shown and nobody has vouched for: lines for people. */
  readonly shownKeys: () => Promise<readonly string[]>;
  readonly close: () => Promise<void>;
}

/** Opens a way to the client's agent for ssh, which reads nobody's configuration. @throws not-found without an agent; cancelled */
export async function openSsh({ directory, seenAt, user, agents, secrets, signal }: SshWish): Promise<SshAccess> {
  const given = await secrets(knownHostsSecret, signal);
  const file = join(directory, knownHosts);
  await writeFile(file, given ?? '', { mode: 0o600 });
  await chown(file, user, user);
  const owner = { uid: user, gid: user, mode: 0o600 };
  const agent = await agents(agentId, { directory, owner, enterable: true, signal });
  if (agent === undefined) {
    throw new EngineError(
      'not-found',
      `no SSH key ${JSON.stringify(agentId)} forwarded from the client: git over ssh needs its agent (--ssh ${agentId})`,
    );
  }
  return {
    env: {
      SSH_AUTH_SOCK: join(seenAt, basename(dirname(agent.path)), basename(agent.path)),
      GIT_SSH_VARIANT: 'ssh',
      GIT_SSH_COMMAND: ['ssh -F /dev/null', ...optionsOf(given !== undefined, join(seenAt, knownHosts))].join(' -o '),
    },
    shownKeys: async () => (given === undefined ? keysIn(file) : []),
    close: () => agent.close(),
  };
}

/** The administrator's keys of hosts count; a host that is not among them, nor among the client's, is believed this once. */
const optionsOf = (isStrict: boolean, file: string): readonly string[] => [
  `UserKnownHostsFile=${file}`,
  ...(isStrict ? ['GlobalKnownHostsFile=/dev/null'] : []),
  `StrictHostKeyChecking=${isStrict ? 'yes' : 'accept-new'}`,
  'UpdateHostKeys=no',
  'HashKnownHosts=no',
  'BatchMode=yes',
  'IdentityFile=none',
  'PreferredAuthentications=publickey',
  'ForwardAgent=no',
  'ClearAllForwardings=yes',
  'ConnectTimeout=60',
  'ServerAliveInterval=15',
  'ServerAliveCountMax=4',
];

/** A few lines, each with one key. */
const mostBytes = 64 << 10;

async function keysIn(path: string): Promise<readonly string[]> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(mostBytes), 0, mostBytes, 0);
  const lines = buffer.subarray(0, bytesRead).toString('latin1').split('\n');
  return lines.flatMap((line) => {
    const [host = '', type = '', key = ''] = line.split(' ');
    if (key === '') return [];
    const fingerprint = createHash('sha256').update(Buffer.from(key, 'base64')).digest('base64').replaceAll('=', '');
    return [`${host} has the key ${type} SHA256:${fingerprint}, which nobody vouches for (secret ${knownHostsSecret})`];
  });
}
