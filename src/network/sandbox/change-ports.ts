import { codeOf, invalid, messageOf } from '../../base/errors.ts';
import type { PortChange } from '../../spec/contract/network.ts';
import type { PortBinding, PortMap } from '../../spec/engine/container.ts';
import type { Publication } from '../firewall/elements.ts';
import { accessOf } from '../ports/access.ts';
import { parseContainerPort, type PortDefaults, planPorts, portKey, type PortRequest } from '../ports/binding.ts';
import type { Publisher } from '../ports/publisher.ts';
import type { PublicationTargets } from '../ports/targets.ts';

/** What a container has published after a change. */
export interface ChangedPublications {
  readonly publications: readonly Publication[];
  /** What was opened by the change. */
  readonly opened: readonly Publication[];
  /** Takes it back; gives what is published then. */
  undo(): readonly Publication[];
}

/** The change could not be made: `publications` are what they were, but may be other objects. */
export class UnchangedPublications extends Error {
  readonly publications: readonly Publication[];

  constructor(publications: readonly Publication[], cause: unknown) {
    super(messageOf(cause), { cause });
    this.publications = publications;
  }
}

/**
 * Closes and opens published ports of one container. New ones are opened before old ones are closed; only when they
 * need a host port that one of those has, it is the other way round.
 * @throws EngineError `invalid` for ports that are not published, `conflict` when a port is taken; UnchangedPublications
 * when that was seen only after old ones had been closed.
 */
export function changePublications(
  publisher: Publisher,
  publications: readonly Publication[],
  { targets, defaults }: { readonly targets: PublicationTargets; readonly defaults: PortDefaults },
  { add, remove }: PortChange,
): ChangedPublications {
  const abilities = { proxy: publisher.hasProxy, ipv6Targets: targets[6] !== undefined };
  const { requests } = planPorts({ exposedPorts: [], portBindings: add, publishAll: false }, abilities, defaults);
  const closed = chosen(publications, remove);
  const kept = publications.filter((publication) => !closed.includes(publication));
  const reopen = () => [...kept, ...publisher.publish(again(closed), targets)];
  const opened = openInsteadOf(publisher, closed, requests, targets, reopen);
  return {
    publications: [...kept, ...opened],
    opened,
    undo() {
      publisher.withdraw(opened);
      return reopen();
    },
  };
}

function openInsteadOf(
  publisher: Publisher,
  closed: readonly Publication[],
  requests: readonly PortRequest[],
  targets: PublicationTargets,
  reopen: () => readonly Publication[],
): readonly Publication[] {
  try {
    const opened = publisher.publish(requests, targets);
    publisher.withdraw(closed);
    return opened;
  } catch (error) {
    if (closed.length === 0 || codeOf(error) !== 'conflict') throw error;
  }
  publisher.withdraw(closed);
  try {
    return publisher.publish(requests, targets);
  } catch (error) {
    throw new UnchangedPublications(reopen(), error);
  }
}

/** Requests for exactly what is published. */
export const again = (publications: readonly Publication[]): PortRequest[] =>
  publications.map(({ port, protocol, hostIp, hostPort, ...more }) => ({
    ...accessOf(more),
    port,
    protocol,
    hostIps: [hostIp],
    hostPorts: hostPort === 0 ? undefined : [hostPort, hostPort],
  }));

/** The publications that a map of ports means: all of a port without bindings, else those of each binding. */
function chosen(publications: readonly Publication[], remove: PortMap): Publication[] {
  return Object.entries(remove).flatMap(([text, bindings]) => {
    const key = portKey(parseContainerPort(text));
    const ofPort = publications.filter((publication) => portKey(publication) === key);
    const wanted = bindings === null || bindings.length === 0 ? [undefined] : bindings;
    return wanted.flatMap((binding) => {
      const found = binding === undefined ? ofPort : ofPort.filter((publication) => means(binding, publication));
      if (found.length === 0) throw notPublished(key, binding);
      return found;
    });
  });
}

const means = ({ HostIp, HostPort }: PortBinding, { hostIp, hostPort }: Publication): boolean =>
  (HostIp === '' || HostIp === hostIp) && (HostPort === '' || Number(HostPort) === hostPort);

function notPublished(key: string, binding: PortBinding | undefined): Error {
  const where = binding === undefined || binding.HostPort === '' ? '' : ` on ${binding.HostIp}:${binding.HostPort}`;
  return invalid(`port ${key} is not published${where}`);
}
