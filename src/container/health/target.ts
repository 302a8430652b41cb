import { invalid } from '../../base/errors.ts';
import type { ProbeTarget } from '../../spec/contract/probe.ts';

const loopback = ['127.0.0.1', '::1'];

/** The words behind `HTTP`: one URL, http or https, of `localhost` or an address. @throws invalid naming what is wrong. */
export function httpTarget(words: readonly string[]): ProbeTarget {
  const [text = ''] = words;
  const refuse = (why: string): never => {
    throw invalid(`invalid URL of the HTTP health check ${JSON.stringify(text.slice(0, 200))}: ${why}`);
  };
  if (words.length !== 1) refuse('exactly one URL is needed');
  const url = URL.canParse(text) ? new URL(text) : refuse('it is no URL');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') refuse('it must begin with http:// or https://');
  if (url.username !== '' || url.password !== '') refuse('it must not carry a user or a password');
  if (url.port === '0') refuse('the port must be 1 to 65535');
  const secure = url.protocol === 'https:';
  return {
    kind: 'http',
    secure,
    addresses: addressesOf(url.hostname) ?? refuse('the host must be localhost or an IP address'),
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    authority: url.host,
    path: `${url.pathname}${url.search}`,
  };
}

/** The words behind `TCP`: `PORT` or `ADDRESS:PORT`. @throws invalid naming what is wrong. */
export function tcpTarget(words: readonly string[]): ProbeTarget {
  const [text = ''] = words;
  const refuse = (why: string): never => {
    throw invalid(`invalid address of the TCP health check ${JSON.stringify(text.slice(0, 200))}: ${why}`);
  };
  if (words.length !== 1) refuse('exactly one [ADDRESS:]PORT is needed');
  const colon = text.lastIndexOf(':');
  const digits = text.slice(colon + 1);
  const port = /^[0-9]{1,5}$/.test(digits) ? Number(digits) : 0;
  if (port < 1 || port > 65_535) refuse('the port must be 1 to 65535');
  const addresses = colon < 0 ? loopback : addressesOf(text.slice(0, colon));
  return { kind: 'tcp', addresses: addresses ?? refuse('the host must be localhost or an IP address'), port };
}

/** Names are not looked up: the engine would ask the host's servers, not the container's. */
function addressesOf(host: string): readonly string[] | undefined {
  if (host === 'localhost') return loopback;
  if (host.startsWith('[') && host.endsWith(']') && URL.canParse(`http://${host}`)) return [host.slice(1, -1)];
  const isV4 = /^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/.test(host) && host.split('.').every((part) => Number(part) < 256);
  return isV4 ? [host] : undefined;
}
