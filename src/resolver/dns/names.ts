import { addressOf, bytesOf, formatAddress, parseAddress } from '../../base/address.ts';
import type { NamedEndpoint, NamedSandbox } from '../../spec/resolver/names.ts';

interface Member {
  readonly addresses: { readonly 4: readonly Uint8Array[]; readonly 6: readonly Uint8Array[] };
}

/** A network: who is called what there. */
class NamedNetwork {
  readonly id: string;
  readonly name: string;
  /** Names in lower case; several containers may have one. */
  readonly #byName = new Map<string, Map<string, Member>>();
  /** By address as text: the container's first name. */
  readonly #byAddress = new Map<string, Map<string, string>>();

  constructor({ network, networkName }: NamedEndpoint) {
    this.id = network;
    this.name = networkName;
  }

  add(container: string, { names, addresses }: NamedEndpoint): void {
    const member: Member = { addresses: { 4: bytesOfFamily(addresses, 4), 6: bytesOfFamily(addresses, 6) } };
    for (const name of names) entryOf(this.#byName, lowerCase(name)).set(container, member);
    const [first] = names;
    if (first === undefined) return;
    for (const address of addresses) entryOf(this.#byAddress, canonical(address)).set(container, first);
  }

  delete(container: string, { names, addresses }: NamedEndpoint): void {
    for (const name of names) dropFrom(this.#byName, lowerCase(name), container);
    for (const address of addresses) dropFrom(this.#byAddress, canonical(address), container);
  }

  get isEmpty(): boolean {
    return this.#byName.size === 0 && this.#byAddress.size === 0;
  }

  /** Addresses under a name in lower case: undefined when nobody has it, empty when there are none of the family. */
  addressesOf(name: string, family: 4 | 6): Uint8Array[] | undefined {
    const members = this.#byName.get(name);
    if (members === undefined) return undefined;
    return [...members.values()].flatMap(({ addresses }) => addresses[family]);
  }

  nameOf(address: string): string | undefined {
    return this.#byAddress.get(address)?.values().next().value;
  }
}

const bytesOfFamily = (addresses: readonly string[], family: 4 | 6): Uint8Array[] =>
  addresses.flatMap((text) => {
    const address = parseAddress(text);
    return address?.family === family ? [bytesOf(address)] : [];
  });

const canonical = (text: string): string => {
  const address = parseAddress(text);
  return address === undefined ? text : formatAddress(address);
};

/** Names are compared as DNS does it: only ASCII letters have two cases. */
export const lowerCase = (text: string): string => text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());

function entryOf<Value>(map: Map<string, Map<string, Value>>, key: string): Map<string, Value> {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = new Map<string, Value>();
  map.set(key, made);
  return made;
}

function dropFrom(map: Map<string, Map<string, unknown>>, key: string, container: string): void {
  const entry = map.get(key);
  entry?.delete(container);
  if (entry?.size === 0) map.delete(key);
}

/** All names of all networks. */
export class NameBook {
  readonly #networks = new Map<string, NamedNetwork>();

  add({ container, endpoints }: NamedSandbox): void {
    for (const endpoint of endpoints) {
      const network = this.#networks.get(endpoint.network) ?? new NamedNetwork(endpoint);
      this.#networks.set(endpoint.network, network);
      network.add(container, endpoint);
    }
  }

  /** What `add` was given. */
  delete({ container, endpoints }: NamedSandbox): void {
    for (const endpoint of endpoints) {
      const network = this.#networks.get(endpoint.network);
      network?.delete(container, endpoint);
      if (network?.isEmpty === true) this.#networks.delete(endpoint.network);
    }
  }

  /** All networks, as somebody on all of them would see them. */
  get everywhere(): NamedEndpoint[] {
    return [...this.#networks.values()].map(({ id, name }) => ({
      network: id,
      networkName: name,
      names: [],
      addresses: [],
      links: [],
    }));
  }

  /**
   * The addresses of one family under a name in lower case, as the container of these endpoints sees it: undefined when the
   * name is nobody's here, empty when it has none of this family. Both names of containers and of networks may have dots,
   * so `a.b.c` is first a container of any of its networks, then `a.b` on `c`, then `a` on `b.c`. The container's own
   * links come first, and hide others' names.
   */
  resolve(endpoints: readonly NamedEndpoint[], name: string, family: 4 | 6): Uint8Array[] | undefined {
    for (let end = name.length; end > 0; end = name.lastIndexOf('.', end - 1)) {
      const [host, networkName] = [name.slice(0, end), name.slice(end + 1)];
      const asked = endpoints.filter((one) => networkName === '' || lowerCase(one.networkName) === networkName);
      for (const how of [linked, unlinked]) {
        for (const endpoint of asked) {
          const target = how(endpoint, host);
          const found =
            target === undefined ? undefined : this.#networks.get(endpoint.network)?.addressesOf(target, family);
          if (found !== undefined) return found;
        }
      }
    }
    return undefined;
  }

  /** `container.network` of an address in text. */
  reverse(endpoints: readonly NamedEndpoint[], address: string): string | undefined {
    for (const { network, networkName } of endpoints) {
      const found = this.#networks.get(network)?.nameOf(address);
      if (found !== undefined) return `${found}.${networkName}`;
    }
    return undefined;
  }
}

const linkOf = ({ links }: NamedEndpoint, name: string): string | undefined =>
  links.find(({ alias }) => lowerCase(alias) === name)?.target;

function linked(endpoint: NamedEndpoint, name: string): string | undefined {
  const target = linkOf(endpoint, name);
  return target === undefined ? undefined : lowerCase(target);
}

const unlinked = (endpoint: NamedEndpoint, name: string): string | undefined =>
  linkOf(endpoint, name) === undefined ? name : undefined;

const ipv4Suffix = '.in-addr.arpa';
const ipv6Suffix = '.ip6.arpa';

/** The address that a reverse name stands for, in text; undefined for other names. */
export function addressOfReverse(name: string): string | undefined {
  if (name.endsWith(ipv4Suffix)) {
    const text = name.slice(0, -ipv4Suffix.length).split('.').toReversed().join('.');
    const address = parseAddress(text);
    return address?.family === 4 ? formatAddress(address) : undefined;
  }
  if (!name.endsWith(ipv6Suffix)) return undefined;
  const digits = name.slice(0, -ipv6Suffix.length);
  if (!/^([0-9a-f]\.){31}[0-9a-f]$/.test(digits)) return undefined;
  return formatAddress(addressOf(Buffer.from(digits.replaceAll('.', '').split('').toReversed().join(''), 'hex')));
}
