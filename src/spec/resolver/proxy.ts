/**
 * What the engine says to its proxy process, over a unix socket, one JSON document a line: the whole of what is to be
 * proxied, each time. The answer names what could not be had. A newer statement replaces an older one, so that an
 * engine that was started again has nothing to ask.
 */

/** A port of the host that leads to a port of a container, by copying bytes. */
export interface ProxiedPort {
  readonly protocol: 'tcp' | 'udp';
  /** An IPv6 address: `::` for all. */
  readonly hostIp: string;
  readonly hostPort: number;
  /** The container's address. */
  readonly targetIp: string;
  readonly targetPort: number;
  /** The host's end of the container's cable: when it is gone while no engine is there, so is the port. */
  readonly interface: string;
}

export interface ProxyStatement {
  readonly ports: readonly ProxiedPort[];
}

export interface ProxyAnswer {
  readonly failures: readonly { readonly port: ProxiedPort; readonly reason: string }[];
}

/** Names a port among others. */
export const proxiedPortKey = (port: ProxiedPort): string =>
  `${port.protocol} [${port.hostIp}]:${port.hostPort} ${port.targetIp}:${port.targetPort} ${port.interface}`;

/** Complete lines out of chunks of text; what is longer than `limit` characters is dropped. */
export function lineReader(limit: number, onLine: (line: string) => void): (chunk: string) => void {
  let rest = '';
  return (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > limit) rest = '';
    for (const line of lines) onLine(line);
  };
}
