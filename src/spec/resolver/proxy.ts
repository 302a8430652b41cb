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

/** Names a port among others. */
export const proxiedPortKey = (port: ProxiedPort): string =>
  `${port.protocol} [${port.hostIp}]:${port.hostPort} ${port.targetIp}:${port.targetPort} ${port.interface}`;
