import { invalid } from '../../base/errors.ts';

/** One line of a hosts file: an address and the names that mean it. */
interface HostLine {
  readonly address: string;
  readonly names: readonly string[];
}

const loopback: readonly HostLine[] = [
  { address: '127.0.0.1', names: ['localhost'] },
  { address: '::1', names: ['localhost', 'ip6-localhost', 'ip6-loopback'] },
  { address: 'fe00::', names: ['ip6-localnet'] },
  { address: 'ff00::', names: ['ip6-mcastprefix'] },
  { address: 'ff02::1', names: ['ip6-allnodes'] },
  { address: 'ff02::2', names: ['ip6-allrouters'] },
];

/**
 * An `--add-host` entry: `name:address` or `name=address`; an IPv6 address may stand in brackets, `host-gateway` stands
 * for the bridge's address on the host.
 * @throws EngineError `invalid` with Docker's text.
 */
export function parseExtraHost(text: string): { name: string; address: string } {
  const equals = text.indexOf('=');
  const colon = text.indexOf(':');
  const at = equals > 0 ? equals : colon;
  const name = text.slice(0, Math.max(0, at));
  let address = at < 0 ? '' : text.slice(at + 1);
  if (address.startsWith('[') && address.endsWith(']')) address = address.slice(1, -1);
  // A name with white space would be a second name, with a line break a second entry of the file.
  if (name === '' || address === '' || /[\s\0]/.test(name)) {
    throw invalid(`bad format for add-host: ${JSON.stringify(text.slice(0, 200))}`);
  }
  if (address !== 'host-gateway' && !looksLikeAddress(address)) {
    throw invalid(`invalid IP address in add-host: ${JSON.stringify(address.slice(0, 100))}`);
  }
  return { name, address };
}

function looksLikeAddress(text: string): boolean {
  if (text.includes(':')) return /^[0-9a-fA-F:.]{2,45}$/.test(text);
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
}

/**
 * The text of a container's /etc/hosts (hosts(5)).
 * @param own the container's addresses, each with the names it is known by
 * @param hostGateways what `host-gateway` stands for
 */
export function renderHosts(
  own: readonly HostLine[],
  extraHosts: readonly string[],
  hostGateways: readonly string[],
): string {
  const extra = extraHosts.map(parseExtraHost).flatMap(({ name, address }): HostLine[] => {
    if (address !== 'host-gateway') return [{ address, names: [name] }];
    if (hostGateways.length === 0) {
      throw invalid('unable to derive the IP value for host-gateway: the container has no bridge network');
    }
    return hostGateways.map((gateway) => ({ address: gateway, names: [name] }));
  });
  return [...loopback, ...extra, ...own].map(({ address, names }) => `${address}\t${names.join(' ')}\n`).join('');
}
