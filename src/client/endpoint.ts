import { invalid } from '../base/errors.ts';

/** Where an engine listens. */
export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls?: TlsFiles }
  | SshEndpoint;

/** An engine behind the `ssh` program: what is not said is up to ssh's own configuration. */
export interface SshEndpoint {
  readonly kind: 'ssh';
  readonly host: string;
  readonly user?: string;
  readonly port?: number;
  /** Of the socket there; the default of that machine otherwise. */
  readonly path?: string;
}

/** Files of a TLS connection, and whether the server's certificate is checked. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly verify: boolean;
}

/** The socket that an engine started without any flag listens at. */
export const defaultEndpoint = 'unix:///run/gantry/gantry.sock';

const badFormat = (text: string) => invalid(`invalid bind address format: ${text}`);

/**
 * The endpoint named as in DOCKER_HOST: `unix:///path`, `tcp://host[:port]`, also `http://` and `https://`,
 * `ssh://[user@]host[:port][/path]`. @throws EngineError `invalid` for other spellings
 */
export function parseEndpoint(text: string, tls?: TlsFiles): Endpoint {
  const at = text.indexOf('://');
  if (at < 0) throw invalid(`unable to parse docker host \`${text}\``);
  const scheme = text.slice(0, at);
  const rest = text.slice(at + 3);
  switch (scheme) {
    case 'unix':
      if (rest === '') throw badFormat(text);
      return { kind: 'unix', path: rest };
    case 'tcp':
    case 'http':
    case 'https':
      return tcpEndpoint(text, rest, scheme === 'https' ? (tls ?? { verify: true }) : tls);
    case 'ssh':
      return sshEndpoint(text, rest);
    default:
      throw badFormat(text);
  }
}

/** Only what cannot mean anything else to ssh or to a shell there. */
function sshEndpoint(text: string, rest: string): Endpoint {
  const bad = (what: string) => invalid(`invalid ssh URL ${JSON.stringify(text)}: ${what}`);
  const slash = rest.indexOf('/');
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const path = slash < 0 || slash === rest.length - 1 ? undefined : rest.slice(slash);
  const at = authority.lastIndexOf('@');
  const user = at < 0 ? undefined : authority.slice(0, at);
  const { host, portText } = splitAuthority(authority.slice(at + 1));
  if (user?.includes(':') === true) throw bad('plain-text password is not supported');
  if (host === '') throw bad('no host specified');
  if (host.startsWith('-') || user === '' || user?.startsWith('-') === true) throw bad('it begins like an option');
  if (path !== undefined && !/^[A-Za-z0-9/._-]+$/.test(path)) throw bad('the path has unusual characters');
  const port = portText === '' ? undefined : Number(portText);
  if (port !== undefined && (!Number.isInteger(port) || port < 1 || port > 65535)) throw bad('no such port');
  return {
    kind: 'ssh',
    host,
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port }),
    ...(path === undefined ? {} : { path }),
  };
}

/** `host:port` or `[address]:port`, in their parts. */
function splitAuthority(authority: string): { host: string; portText: string } {
  const bracket = authority.startsWith('[') ? authority.indexOf(']') : -1;
  const colon = authority.indexOf(':', Math.max(bracket, 0));
  const host = bracket > 0 ? authority.slice(1, bracket) : colon < 0 ? authority : authority.slice(0, colon);
  return { host, portText: colon < 0 ? '' : authority.slice(colon + 1) };
}

function tcpEndpoint(text: string, rest: string, tls: TlsFiles | undefined): Endpoint {
  const { host, portText } = splitAuthority(rest.split('/')[0] ?? '');
  const port = portText === '' ? (tls === undefined ? 2375 : 2376) : Number(portText);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw badFormat(text);
  return { kind: 'tcp', host: host === '' ? 'localhost' : host, port, ...(tls === undefined ? {} : { tls }) };
}

/** An endpoint as users write it. */
export function formatEndpoint(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return `unix://${endpoint.path}`;
  if (endpoint.kind === 'ssh') {
    const { host, user, port, path = '' } = endpoint;
    return `ssh://${user === undefined ? '' : `${user}@`}${inUrl(host)}${port === undefined ? '' : `:${port}`}${path}`;
  }
  return `tcp://${inUrl(endpoint.host)}:${endpoint.port}`;
}

const inUrl = (host: string): string => (host.includes(':') ? `[${host}]` : host);
