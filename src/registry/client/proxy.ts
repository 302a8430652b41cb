import { BlockList, isIP, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import { EngineError } from '../../base/errors.ts';
import { hostOf, isLoopbackHost } from './addresses.ts';

/** Proxies as dockerd takes them: URLs by the scheme of what is asked for, and hosts that are asked directly. */
export interface ProxySettings {
  readonly http: string;
  readonly https: string;
  /** `NO_PROXY`: names, addresses and networks with commas between them; `*` stands for all. */
  readonly none: string;
}

/** Says through which proxy a URL is to be reached; undefined: directly. @throws EngineError `invalid` */
export type ProxyChoice = (url: URL) => URL | undefined;

interface Target {
  /** Lower case, without brackets. */
  readonly host: string;
  readonly port: string;
  readonly isAddress: boolean;
}
type Exception = (target: Target) => boolean;

/**
 * Chooses by the rules of Go's httpproxy package, which dockerd uses: loopback is never asked for through a proxy;
 * an entry of `none` is a domain with what is below it, `.domain` or `*.domain` for only what is below it, an address or a
 * network (CIDR), each but the last with a port if one is meant.
 */
export function proxyChoice({ http, https, none }: ProxySettings): ProxyChoice {
  const exceptions = exceptionsOf(none);
  return (url) => {
    const text = url.protocol === 'https:' ? https : http;
    if (text === '') return undefined;
    const host = hostOf(url.host).toLowerCase();
    const port = url.port || (url.protocol === 'https:' ? '443' : '80');
    const target = { host, port, isAddress: isIP(host) !== 0 };
    if (isLoopbackHost(host) || exceptions.some((matches) => matches(target))) return undefined;
    const proxy = parseProxy(text);
    if (proxy !== undefined) return proxy;
    const name = url.protocol === 'https:' ? 'HTTPS' : 'HTTP';
    throw new EngineError(
      'invalid',
      `invalid proxy address for ${name}: expected http://host:port or https://host:port`,
    );
  };
}

/** A proxy's URL; `host:port` means HTTP. Undefined for other text, and for proxies that are no HTTP proxies (SOCKS). */
export function parseProxy(text: string): URL | undefined {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  return url !== null && /^https?:$/.test(url.protocol) && url.hostname !== '' ? url : undefined;
}

/** `Proxy-Authorization` of a proxy whose URL has a user. */
export function proxyHeaders({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '' && password === '') return {};
  const pair = `${decoded(username)}:${decoded(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function exceptionsOf(none: string): readonly Exception[] {
  const entries = none.split(',').map((entry) => entry.trim().toLowerCase());
  if (entries.includes('*')) return [() => true];
  return entries.filter((entry) => entry !== '').flatMap((entry) => exceptionOf(entry) ?? []);
}

function exceptionOf(entry: string): Exception | undefined {
  const network = networkOf(entry);
  if (network !== undefined) return ({ host, isAddress }) => isAddress && holds(network, host);
  const { host, port } = splitPort(entry);
  if (host === '') return undefined;
  const isPort = (asked: string): boolean => port === '' || port === asked;
  if (isIP(host) !== 0) {
    const single = new BlockList();
    single.addAddress(host, isIPv6(host) ? 'ipv6' : 'ipv4');
    return (target) => target.isAddress && isPort(target.port) && holds(single, target.host);
  }
  const withItself = !host.startsWith('*.') && !host.startsWith('.');
  const domain = withItself ? host : host.slice(host.indexOf('.') + 1);
  // What would end a host in a URL is in no name.
  const name = /[\s/?#@:\\[\]]/.test(domain) ? '' : domainToASCII(domain);
  if (name === '') return undefined;
  return (target) =>
    !target.isAddress &&
    isPort(target.port) &&
    (target.host.endsWith(`.${name}`) || (withItself && target.host === name));
}

const holds = (list: BlockList, address: string): boolean => list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');

function networkOf(entry: string): BlockList | undefined {
  const slash = entry.indexOf('/');
  const [address, bits] = [entry.slice(0, slash), entry.slice(slash + 1)];
  if (slash < 0 || isIP(address) === 0 || !/^[0-9]{1,3}$/.test(bits)) return undefined;
  const isV6 = isIPv6(address);
  if (Number(bits) > (isV6 ? 128 : 32)) return undefined;
  const list = new BlockList();
  list.addSubnet(address, Number(bits), isV6 ? 'ipv6' : 'ipv4');
  return list;
}

/** `host`, `host:port`, `v6`, `[v6]`, `[v6]:port`. */
function splitPort(entry: string): { host: string; port: string } {
  if (isIPv6(entry)) return { host: entry, port: '' };
  const colon = entry.lastIndexOf(':');
  const hasPort = colon > entry.lastIndexOf(']') && colon >= 0;
  const host = hasPort ? entry.slice(0, colon) : entry;
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  return { host: bare, port: hasPort ? entry.slice(colon + 1) : '' };
}
