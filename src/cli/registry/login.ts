import { readFileSync, readSync } from 'node:fs';
import { messageOf } from '../../base/errors.ts';
import { ApiError } from '../../client/errors.ts';
import { environmentKey } from '../../credentials/environment.ts';
import type { Login } from '../../credentials/store.ts';
import { atMost, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import type { Session } from '../session.ts';
import { readSecret } from '../terminal/secret.ts';
import { isTerminal } from '../terminal/tty.ts';
import { configPath, credentialsOf, defaultServer, serverKey } from './server.ts';

interface Given {
  readonly username: string;
  readonly password: string;
}

export const login = defineCommand({
  usage: '[OPTIONS] [SERVER]',
  summary: 'Log in to a registry',
  details: 'Without a server the default registry is meant.',
  aliases: ['gantry login'],
  flags: {
    password: flag(types.string, 'Password or access token; - reads it from standard input', { short: 'p' }),
    'password-stdin': flag(types.bool, 'Read the password from standard input'),
    username: flag(types.string, 'User name', { short: 'u' }),
  },
  args: atMost(1),
  async run({ session, flags, given, args }) {
    const isPiped = flags['password-stdin'] || flags.password === '-';
    checkFlags({ ...flags, 'password-stdin': isPiped }, given);
    const server = serverKey(args[0] ?? '');
    if (flags.password !== '' && !isPiped) {
      session.err('WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n');
    }
    const entered = { username: flags.username, password: isPiped ? passwordFromInput() : flags.password };
    if ((session.env[environmentKey] ?? '') !== '') {
      session.err(
        `WARNING: ${environmentKey} is set and takes precedence.\nUnset ${environmentKey} to restore the CLI auth behaviour.\n\n`,
      );
    }
    const known = entered.username === '' && entered.password === '' ? credentialsOf(session).get(server) : undefined;
    if (known === undefined || known.isToken === true || known.username === '') {
      return finish(session, server, ask(session, entered));
    }
    session.err(`Authenticating with existing credentials... [Username: ${known.username}]\n`);
    try {
      return await finish(session, server, { username: known.username, password: known.secret });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const isRefused = error.status === 401;
      session.err(
        isRefused ? 'Stored credentials invalid or expired\n' : `Login did not succeed, error: ${messageOf(error)}\n`,
      );
      return finish(session, server, ask(session, entered, known.username));
    }
  },
});

function checkFlags(
  flags: { readonly password: string; readonly 'password-stdin': boolean; readonly username: string },
  given: ReadonlySet<string>,
): void {
  if (flags['password-stdin']) {
    if (given.has('password') && flags.password !== '-') {
      throw new CliError('conflicting options: cannot specify both --password and --password-stdin');
    }
    if (!given.has('username')) throw new CliError('the --password-stdin option requires --username to be set');
  }
  if (given.has('username') && flags.username === '') throw new CliError('username is empty');
  if (given.has('password') && flags.password === '') throw new CliError('password is empty');
}

/** All of standard input but one line ending at its end. */
function passwordFromInput(): string {
  const text = readFileSync(0, 'utf8');
  const ending = ['\r\n', '\n', '\r'].find((each) => text.endsWith(each)) ?? '';
  const password = text.slice(0, text.length - ending.length);
  if (password.trim() === '') throw new CliError('password is empty');
  return password;
}

/** Asks for what is missing, when there is somebody to ask. */
function ask(session: Session, { username, password }: Given, usual = ''): Given {
  if (username !== '' && password !== '') return { username, password };
  if (!isTerminal(0)) throw new CliError('error: cannot perform an interactive login from a non-TTY device');
  let user = username;
  if (user === '') {
    session.out(usual === '' ? 'Username: ' : `Username (${usual}): `);
    user = readLine().trim() || usual;
    if (user === '') throw new CliError('error: username is required');
  }
  if (password !== '') return { username: user, password };
  const secret = readSecret('Password: ');
  session.out('\n');
  if (secret === '') throw new CliError('error: password is required');
  return { username: user, password: secret };
}

/** One line of the terminal, without its end. */
function readLine(): string {
  const bytes: number[] = [];
  const byte = new Uint8Array(1);
  while (readSync(0, byte) === 1 && byte[0] !== 10) bytes.push(byte[0] as number);
  const text = Buffer.from(bytes).toString();
  return text.endsWith('\r') ? text.slice(0, -1) : text;
}

/** Lets the engine try the login, and keeps it when it is good. */
async function finish(session: Session, server: string, { username, password }: Given): Promise<number> {
  const answer = await session.client.json<{ Status?: string; IdentityToken?: string }>('POST', '/auth', {
    body: { username, password, serveraddress: server },
  });
  const token = answer.IdentityToken ?? '';
  const kept: Login = token === '' ? { username, secret: password } : { username, secret: token, isToken: true };
  const { isPlain } = credentialsOf(session).store(server, kept);
  if (isPlain) {
    session.err(
      `\nWARNING! Your credentials are stored unencrypted in '${configPath(session)}'.\nConfigure a credential helper (credsStore, credHelpers) to remove this warning.\n\n`,
    );
  }
  session.out(`${answer.Status ?? 'Login Succeeded'}\n`);
  return 0;
}

/** Takes a login away again. */
export const logout = defineCommand({
  usage: '[SERVER]',
  summary: 'Log out of a registry',
  details: 'Without a server the default registry is meant.',
  aliases: ['gantry logout'],
  flags: {},
  args: atMost(1),
  async run({ session, args }) {
    const server = serverKey(args[0] ?? '');
    session.out(`Removing login credentials for ${server}\n`);
    const store = credentialsOf(session);
    const others = server === defaultServer ? [] : [`http://${server}`, `https://${server}`];
    for (const key of new Set([server, args[0] ?? server, ...others])) store.erase(key);
    return 0;
  },
});
