/** A container on one of its networks, as the name server sees it. */
export interface NamedEndpoint {
  /** The network's id, which says who knows whom, and its name, which may stand behind a container's. */
  readonly network: string;
  readonly networkName: string;
  /** What the network's containers call this one; the first is what its addresses are called. */
  readonly names: readonly string[];
  /** IPv4 and IPv6. */
  readonly addresses: readonly string[];
  /** Names that only this container knows: another one's on the same network, and what it is called here. */
  readonly links: readonly { readonly target: string; readonly alias: string }[];
}

/** A name server that questions are passed on to. */
export interface Upstream {
  /** IPv4 or IPv6, with `%interface` where it is link-local. */
  readonly address: string;
  readonly port?: number;
  /** The namespace that it is asked from. */
  readonly from: 'host' | 'container';
}

/** A container that asks for names, and has some. */
export interface NamedSandbox {
  readonly container: string;
  /** Whose end is the end of all this, engine or not; undefined while the container starts. */
  readonly process?: { readonly pid: number; readonly start: number } | undefined;
  /** In the order in which they are asked. */
  readonly endpoints: readonly NamedEndpoint[];
  readonly upstreams: readonly Upstream[];
  /** A way out of its networks: without one the host asks nobody for it. */
  readonly outside: boolean;
  /** The user chose `ndots`: names without a dot are then not asked outside, the search domains make them whole. */
  readonly dotted: boolean;
}
