import { EngineError, invalid, messageOf } from '../base/errors.ts';

/** Loaded with the first use: few commands need them. */
const fs = () => process.getBuiltinModule('node:fs');

/** A login at one registry. */
export interface Login {
  readonly username: string;
  /** A password, or the identity token where `isToken` is set. */
  readonly secret: string;
  readonly isToken?: boolean;
}

/** Where logins are kept: docker's `config.json`, or the credential helpers that it names. */
export interface CredentialStore {
  /** @throws EngineError when a helper fails otherwise than by not knowing the registry */
  get(server: string): Login | undefined;
  /** The registries that there are logins of, as the file names them. */
  servers(): readonly string[];
  /** Tells how the login is kept: true when it lies unencrypted in the file. @throws EngineError */
  store(server: string, login: Login): { readonly isPlain: boolean };
  /** Nothing happens where there is no login. @throws EngineError */
  erase(server: string): void;
}

interface Document {
  auths?: Record<string, { auth?: string; identitytoken?: string }>;
  credsStore?: string;
  credHelpers?: Record<string, string>;
}

/** `path` is that of `config.json`; it is read at each use, and other keys of it are kept. */
export function openCredentials(path: string): CredentialStore {
  return {
    get(server) {
      const document = read(path);
      const helper = helperFor(document, server);
      return helper === undefined ? loginOf(document.auths?.[server]) : fromHelper(helper, server);
    },
    servers() {
      const { auths, credHelpers } = read(path);
      return [...new Set([...Object.keys(auths ?? {}), ...Object.keys(credHelpers ?? {})])];
    },
    store(server, login) {
      const document = read(path);
      const helper = helperFor(document, server);
      const auths = new Map(Object.entries(document.auths ?? {}));
      if (helper === undefined) auths.set(server, entryOf(login));
      else {
        const { username, secret, isToken = false } = login;
        const wire = { ServerURL: server, Username: isToken ? '<token>' : username, Secret: secret };
        runHelper(helper, 'store', JSON.stringify(wire));
        auths.set(server, {});
      }
      write(path, { ...document, auths: Object.fromEntries(auths) });
      return { isPlain: helper === undefined };
    },
    erase(server) {
      const document = read(path);
      const helper = helperFor(document, server);
      const auths = new Map(Object.entries(document.auths ?? {}));
      const isKnown = auths.delete(server);
      if (helper !== undefined) runHelper(helper, 'erase', server);
      if (isKnown) write(path, { ...document, auths: Object.fromEntries(auths) });
    },
  };
}

function read(path: string): Document {
  let text: string;
  try {
    text = fs().readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return {};
    throw error;
  }
  try {
    const document: unknown = JSON.parse(text);
    if (typeof document === 'object' && document !== null && !Array.isArray(document)) return document as Document;
  } catch (error) {
    throw invalid(`${path}: ${messageOf(error)}`, error);
  }
  throw invalid(`${path}: not a JSON object`);
}

/** Replaces the file as a whole, readable for its owner alone; a link stays one. */
function write(path: string, document: Document): void {
  const { closeSync, fsyncSync, mkdirSync, openSync, realpathSync, renameSync, rmSync, writeFileSync } = fs();
  const real = fs().existsSync(path) ? realpathSync(path) : path;
  mkdirSync(real.slice(0, real.lastIndexOf('/')) || '/', { recursive: true, mode: 0o700 });
  const next = `${real}.${process.pid}.new`;
  const fd = openSync(next, 'wx', 0o600);
  try {
    writeFileSync(fd, JSON.stringify(document, undefined, '\t'));
    fsyncSync(fd);
    closeSync(fd);
    renameSync(next, real);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  }
}

const entryOf = ({ username, secret, isToken = false }: Login): { auth: string; identitytoken?: string } => ({
  auth: Buffer.from(`${username}:${isToken ? '' : secret}`).toString('base64'),
  ...(isToken ? { identitytoken: secret } : {}),
});

/** The login in an entry of `auths`. */
export function loginOf(entry: { auth?: string; identitytoken?: string } | undefined): Login | undefined {
  if (entry === undefined) return undefined;
  const text = Buffer.from(entry.auth ?? '', 'base64').toString();
  const colon = text.indexOf(':');
  const username = colon < 0 ? '' : text.slice(0, colon);
  if (entry.identitytoken) return { username, secret: entry.identitytoken, isToken: true };
  return username === '' ? undefined : { username, secret: text.slice(colon + 1) };
}

/** The helper of a registry, else the one for all. @throws invalid for a name that is a path */
function helperFor({ credHelpers, credsStore }: Document, server: string): string | undefined {
  const own = new Map(Object.entries(credHelpers ?? {})).get(server);
  const name = own ?? credsStore;
  if (typeof name !== 'string' || name === '') return undefined;
  if (name.includes('/')) throw invalid(`invalid credential helper ${JSON.stringify(name)}: its name has a slash`);
  return name;
}

const helperTimeoutMs = 60_000;
const mostHelperBytes = 1024 * 1024;
const notFoundText = 'credentials not found in native keychain';

function fromHelper(helper: string, server: string): Login | undefined {
  const output = runHelper(helper, 'get', server);
  if (output === undefined) return undefined;
  let wire: { Username?: unknown; Secret?: unknown };
  try {
    wire = JSON.parse(output) as typeof wire;
  } catch (error) {
    throw new EngineError('unavailable', `docker-credential-${helper} get: no JSON came`, { cause: error });
  }
  const { Username: username, Secret: secret } = wire;
  if (typeof username !== 'string' || typeof secret !== 'string') {
    throw new EngineError('unavailable', `docker-credential-${helper} get: Username or Secret is missing`);
  }
  return username === '<token>' ? { username: '', secret, isToken: true } : { username, secret };
}

/** The protocol of docker-credential-helpers: the verb as argument, text in and out. Undefined: nothing is known. */
function runHelper(helper: string, verb: 'get' | 'store' | 'erase', input: string): string | undefined {
  const program = `docker-credential-${helper}`;
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const result = spawnSync(program, [verb], {
    input,
    encoding: 'utf8',
    timeout: helperTimeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: mostHelperBytes,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const { code } = (result.error ?? {}) as NodeJS.ErrnoException;
  // A helper may answer without a look at what it was given.
  if ((code === undefined || code === 'EPIPE') && result.status === 0) return result.stdout;
  const said = (result.stdout ?? '').trim().slice(0, 500);
  if (verb !== 'store' && said === notFoundText) return undefined;
  const reason =
    code === 'ENOENT'
      ? `exec: "${program}": executable file not found in $PATH`
      : code === 'ETIMEDOUT'
        ? `no answer after ${helperTimeoutMs / 1000} seconds`
        : code === 'ENOBUFS'
          ? 'its output is too large'
          : `exit status ${result.status ?? result.signal}`;
  throw new EngineError(
    'unavailable',
    `error ${verb === 'get' ? 'getting' : verb === 'store' ? 'saving' : 'erasing'} credentials - err: ${reason}, out: \`${said}\``,
  );
}
