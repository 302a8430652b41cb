import { conflict, invalid } from '../../base/errors.ts';
import type { PortChange } from '../../spec/contract/network.ts';
import type { PortBinding, PortMap } from '../../spec/engine/container.ts';
import { normalizePortBindings, parseRange } from '../create/ports.ts';
import type { ContainerRecord } from '../record.ts';

/** A change of published ports, and what the container's settings are with it. */
export interface PlannedPorts extends PortChange {
  readonly portBindings: PortMap;
  readonly exposedPorts: Record<string, Record<string, never>>;
}

/**
 * Checks which ports are to be opened and closed; undefined when none are.
 * @throws invalid for malformed ports and for ones that are not published; conflict where none can be.
 */
export function planPorts(record: ContainerRecord, wanted: PortChange): PlannedPorts | undefined {
  const add = normalizePortBindings(wanted.add);
  const remove = normalizePortBindings(wanted.remove);
  if (Object.keys(add).length + Object.keys(remove).length === 0) return undefined;
  const { hostConfig, config } = record;
  const mode = hostConfig.NetworkMode;
  if (mode === 'host' || mode === 'none' || mode.startsWith('container:')) {
    throw conflict(`ports cannot be published with the network mode ${mode}`);
  }
  const portBindings: PortMap = Object.assign(Object.create(null), hostConfig.PortBindings);
  for (const [port, bindings] of Object.entries(remove)) {
    const left = without(record, port, portBindings[port] ?? [], bindings ?? []);
    if (left.length === 0) delete portBindings[port];
    else portBindings[port] = left;
  }
  const exposedPorts: Record<string, Record<string, never>> = Object.assign(Object.create(null), config.ExposedPorts);
  for (const [port, bindings] of Object.entries(add)) {
    // No binding at all means any free port of the host, as with `-p 80`.
    const opened = bindings === null || bindings.length === 0 ? [{ HostIp: '', HostPort: '' }] : bindings;
    add[port] = opened;
    portBindings[port] = [...(portBindings[port] ?? []), ...opened];
    exposedPorts[port] = {};
  }
  return { add, remove, portBindings, exposedPorts };
}

/** The bindings of one port without `removed`; all go when none is named. */
function without(
  record: ContainerRecord,
  port: string,
  bindings: readonly PortBinding[],
  removed: readonly PortBinding[],
): PortBinding[] {
  if (bindings.length === 0) {
    const isOpen = (record.sandbox?.ports[port]?.length ?? 0) > 0;
    if (isOpen) throw conflict(`port ${port} was published by --publish-all: it cannot be taken away alone`);
    throw invalid(`port ${port} is not published`);
  }
  if (removed.length === 0) return [];
  let left = [...bindings];
  for (const { HostIp, HostPort } of removed) {
    const isHere = (binding: PortBinding): boolean => HostIp === '' || HostIp === binding.HostIp;
    const isOpen = record.sandbox?.ports[port]?.some((open) => open.HostPort === HostPort) === true;
    let gone = left.filter((binding) => isHere(binding) && (HostPort === '' || binding.HostPort === HostPort));
    // A port that the engine chose is known by its number, too.
    if (gone.length === 0 && isOpen) {
      gone = left.filter((binding) => isHere(binding) && chooses(binding.HostPort, HostPort)).slice(0, 1);
    }
    if (gone.length === 0) throw invalid(`port ${port} is not published on ${HostIp}:${HostPort}`);
    left = left.filter((binding) => !gone.includes(binding));
  }
  return left;
}

/** Whether a free choice of ports may have come to `port`. */
function chooses(choice: string, port: string): boolean {
  if (choice === '' || choice === '0') return true;
  const range = parseRange(choice);
  return range !== undefined && range.first <= Number(port) && Number(port) <= range.last;
}
