import { execFileSync, spawn } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unpackPackages } from '../support/docker-client.ts';
import type { Namespaces } from '../support/namespaces.ts';
import { ended } from '../support/run.ts';
import { eventually } from '../support/wait.ts';

/** OpenSSH's server on 127.0.0.1:22 of an engine's network, whose user `git` has a folder as home. */
export interface SshServer extends AsyncDisposable {
  /** A key without a passphrase that `git` is let in with. */
  readonly key: string;
  /** A line for a known_hosts file. */
  readonly knownHost: string;
  /** What it has said so far. */
  readonly log: () => Promise<string>;
}

/** Starts Debian's, unpacked. What it wants of /etc and /run is mounted for it alone. */
export async function startSshd(namespaces: Namespaces, home: string, folder: string): Promise<SshServer> {
  const packages = unpackPackages('bookworm', 'openssh', ['openssh-server', 'libwrap0']);
  await mkdir(folder, { recursive: true });
  const [hostKey, key, config] = ['host', 'user', 'config'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [hostKey, key]) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
  await chmod(key, 0o600);
  const users = [
    'root:*:0:0::/root:/bin/sh',
    'sshd:*:100:65534::/run/sshd:/usr/sbin/nologin',
    `git:*:0:0::${home}:/bin/sh`,
  ];
  await writeFile(
    join(folder, 'passwd'),
    `${users.join('\n')}\nnobody:*:65534:65534::/nonexistent:/usr/sbin/nologin\n`,
  );
  const settings = [
    'ListenAddress 127.0.0.1:22',
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${key}.pub`,
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'StrictModes no',
    'UsePAM no',
    'PidFile none',
    'LogLevel VERBOSE',
  ];
  await writeFile(config, `${settings.join('\n')}\n`);
  const script = `mount -t tmpfs tmpfs /run && mkdir /run/sshd && mount --bind "$0/passwd" /etc/passwd && exec "$1" -D -f "$2" -E "$0/log"`;
  const words = ['unshare', '-m', 'sh', '-ec', script, folder, join(packages, 'usr/sbin/sshd'), config];
  const [program, ...args] = namespaces.enter(words);
  const machine = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const libraries = ['lib', 'usr/lib'].map((path) => join(packages, path, machine)).join(':');
  const child = spawn(program, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, LD_LIBRARY_PATH: libraries },
  });
  const end = ended(child);
  const log = (): Promise<string> => readFile(join(folder, 'log'), 'utf8').catch(() => '');
  await eventually('sshd listens', async () => (await log()).includes('Server listening'));
  const [type = '', bytes = ''] = (await readFile(`${hostKey}.pub`, 'utf8')).split(' ');
  return {
    key,
    knownHost: `127.0.0.1 ${type} ${bytes}\n`,
    log,
    async [Symbol.asyncDispose]() {
      child.kill();
      await end.catch(() => undefined);
    },
  };
}
