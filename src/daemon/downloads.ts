import { isIP } from 'node:net';
import { hostOf, isLoopbackHost, isOwnNetwork } from '../registry/client/addresses.ts';
import { proxyChoice, type ProxySettings } from '../registry/client/proxy.ts';
import { createTransport } from '../registry/client/transport.ts';
import type { Download } from '../spec/contract/build.ts';

/** A server that says nothing for so long is given up. */
const patienceMs = 60_000;

/**
 * Downloads for builds, through the engine's proxies. What a build names may be on this host; what that leads to only where
 * the build has named such an address.
 */
export function downloadsBy(proxies: ProxySettings): Download {
  const transport = createTransport(
    { headMs: patienceMs, stallMs: patienceMs, answerMs: patienceMs },
    proxyChoice(proxies),
  );
  return ({ url, named, headers, signal }) => {
    const host = hostOf(named.host);
    const ownNetwork = url.host === named.host || isLoopbackHost(host) || (isIP(host) !== 0 && isOwnNetwork(host));
    return transport({ url, headers, signal, trust: { insecure: false, ownNetwork } });
  };
}

/** The proxies as variables that git (libcurl) reads; it asks this host directly, as Docker's programs do. */
export function proxyVariables({ http, https, none }: ProxySettings): Readonly<Record<string, string>> {
  if (http === '' && https === '') return {};
  return {
    ...(http === '' ? {} : { http_proxy: http }),
    ...(https === '' ? {} : { https_proxy: https }),
    no_proxy: [none, 'localhost', '127.0.0.1', '::1'].filter((entry) => entry !== '').join(','),
  };
}
