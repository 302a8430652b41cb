import { invalid } from '../../base/errors.ts';
import type { PortMap } from '../../spec/engine/container.ts';

export type PortProtocol = 'tcp' | 'udp' | 'sctp';

/** Ports `first` to `last` of one protocol. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}
export interface ContainerPorts extends PortRange {
  readonly protocol: PortProtocol;
}

/** `80`, `80/tcp`, `8000-8010/udp`. @throws invalid in Docker's words. */
export function parseContainerPorts(text: string): ContainerPorts {
  const slash = text.indexOf('/');
  const protocol = slash < 0 ? 'tcp' : text.slice(slash + 1).toLowerCase();
  if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') {
    throw invalid(`invalid proto: ${protocol.slice(0, 100)}`);
  }
  const range = parseRange(slash < 0 ? text : text.slice(0, slash));
  if (range === undefined || range.first === 0)
    throw invalid(`invalid port specification: ${JSON.stringify(text.slice(0, 100))}`);
  return { ...range, protocol };
}

/** `8000` or `8000-8010`, 0 to 65535, in rising order; undefined for anything else. */
export function parseRange(text: string): PortRange | undefined {
  const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  return first <= last && last <= 65_535 ? { first, last } : undefined;
}

/** The set of exposed ports, one key `80/tcp` for each port of each range. */
export function normalizeExposedPorts(ports: object | undefined): Record<string, Record<string, never>> {
  const single: Record<string, Record<string, never>> = Object.create(null);
  for (const key of Object.keys(ports ?? {})) {
    const { first, last, protocol } = parseContainerPorts(key);
    for (let port = first; port <= last; port++) single[`${port}/${protocol}`] = {};
  }
  return single;
}

/** The bindings with canonical keys (`80/tcp`). @throws invalid for a malformed port, address or host port. */
export function normalizePortBindings(bindings: PortMap): PortMap {
  const normal: PortMap = Object.create(null);
  for (const [key, list] of Object.entries(bindings)) {
    const { first, last, protocol } = parseContainerPorts(key);
    if (first !== last) throw invalid(`invalid port specification: ${JSON.stringify(key.slice(0, 100))}`);
    for (const { HostIp, HostPort } of list ?? []) {
      if (HostPort !== '' && parseRange(HostPort) === undefined) {
        throw invalid(`invalid port specification: ${JSON.stringify(HostPort.slice(0, 100))}`);
      }
      if (HostIp !== '' && !/^[0-9a-fA-F.:]{2,45}$/.test(HostIp)) {
        throw invalid(`invalid IP address: ${HostIp.slice(0, 100)}`);
      }
    }
    normal[`${first}/${protocol}`] = list === null ? null : list.map((binding) => ({ ...binding }));
  }
  return normal;
}
