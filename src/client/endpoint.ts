import { EngineError, invalid } from '../base/errors.ts';

/** Where an engine listens. */
export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls?: TlsFiles };

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
 * The endpoint named as in DOCKER_HOST: `unix:///path`, `tcp://host[:port]`, also `http://` and `https://`.
 * @throws EngineError `invalid` for other spellings, `not-implemented` for `ssh://`.
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
      throw new EngineError(
        'not-implemented',
        `connecting over ssh is not implemented yet (${text}): forward the socket with ssh -L and use unix:// instead`,
      );
    default:
      throw badFormat(text);
  }
}

function tcpEndpoint(text: string, rest: string, tls: TlsFiles | undefined): Endpoint {
  const authority = rest.split('/')[0] ?? '';
  const bracket = authority.startsWith('[') ? authority.indexOf(']') : -1;
  const colon = authority.indexOf(':', Math.max(bracket, 0));
  const host = bracket > 0 ? authority.slice(1, bracket) : colon < 0 ? authority : authority.slice(0, colon);
  const portText = colon < 0 ? '' : authority.slice(colon + 1);
  const port = portText === '' ? (tls === undefined ? 2375 : 2376) : Number(portText);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw badFormat(text);
  return { kind: 'tcp', host: host === '' ? 'localhost' : host, port, ...(tls === undefined ? {} : { tls }) };
}

/** An endpoint as users write it. */
export function formatEndpoint(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return `unix://${endpoint.path}`;
  return `tcp://${endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`;
}
