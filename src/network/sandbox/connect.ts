import { conflict, EngineError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { Scope } from '../../base/scope.ts';
import type {
  ChangedSandbox,
  ContainerProcess,
  LeavingSandbox,
  Sandbox,
  SandboxRequest,
} from '../../spec/contract/network.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { closeNetNamespace, openNetNamespaceOfProcess } from '../../sys/namespace/net.ts';
import { changeNamespace, interfacesIn } from '../../sys/netlink/cable.ts';
import { closeNameSockets } from '../../sys/socket/name-sockets.ts';
import type { Publication } from '../firewall/elements.ts';
import { type PortPlan, portMapOf } from '../ports/binding.ts';
import type { Publisher } from '../ports/publisher.ts';
import { again } from './change-ports.ts';
import { chooseGateways, type Held, type HeldEndpoint, routesOf, sameGateways, targetsOf } from './held.ts';
import {
  configured,
  explained,
  freeName,
  interfaceOf,
  leasedEndpoint,
  limitBandwidth,
  type LiveEndpointPlan,
  noPorts,
} from './make.ts';
import { published, type Sandboxes } from './sandboxes.ts';

/** One endpoint more or less for a container that runs. */

export interface Connection {
  readonly sandboxes: Sandboxes;
  readonly request: SandboxRequest;
  readonly process: ContainerProcess;
  /** All of its ports, should the change give it a way to publish them. */
  readonly ports: PortPlan;
  readonly log: Logger;
}

function heldOf({ sandboxes, request }: Connection): Held {
  const held = sandboxes.all.get(request.containerId);
  if (held === undefined) throw conflict(`container ${request.containerId} is not running`);
  return held;
}

/** @throws as `Networks.connect` */
export async function connectTo(connection: Connection, plan: LiveEndpointPlan): Promise<ChangedSandbox> {
  const { sandboxes, request, process } = connection;
  const before = heldOf(connection);
  if (before.endpoints.some(({ networkId }) => networkId === plan.network.id)) {
    const what = `endpoint with name ${request.containerName} already exists in network ${plan.network.name}`;
    throw new EngineError('forbidden', what);
  }
  await using scope = new Scope();
  using namespace = namespaceOf(process);
  const lease = await scope.acquire(explained(plan.live.lease(plan.wish)), (made) => plan.live.retire(made));
  const taken = new Set(await interfacesIn(namespace.fd));
  const name = plan.wish.interfaceName ?? freeName(plan.live.interfacePrefix, taken);
  const leased = leasedEndpoint(plan, lease, name, request);
  const { held, settings } = leased;
  const endpoints = [...before.endpoints, held];
  const [old, next] = [chooseGateways(before.endpoints), chooseGateways(endpoints)];
  const routes = sameGateways(old, next) ? undefined : routesOf(next);
  await configured(changeNamespace({ namespace: namespace.fd, add: [lease.link(name)], remove: [], routes }));
  scope.defer(() => changeNamespaceOf(process, [name], routes === undefined ? undefined : routesOf(old)));
  const { names } = sandboxes;
  const isFirstNamed = settings.DNSNames !== null && names?.isServed(request.containerId) === false;
  const sockets = isFirstNamed ? names?.openSockets(namespace.fd) : undefined;
  const nameSockets = sockets === undefined ? undefined : await scope.acquire(sockets, closeNameSockets);
  await limitBandwidth([leased]);
  const publications = movePorts(connection, before, endpoints);
  scope.commit();
  const networkName = plan.network.name;
  const sandbox = changed(before.sandbox, endpoints, publications, connection, { [networkName]: settings });
  const after: Held = { ...before, sandbox, endpoints, publications };
  sandboxes.replace(request.containerId, after, nameSockets);
  sandboxes.announce('connect', request.containerId, { [networkName]: settings });
  return {
    sandbox,
    async undo() {
      if (sandboxes.all.get(request.containerId) !== after) return;
      const back = movePorts(connection, after, before.endpoints);
      sandboxes.replace(request.containerId, { ...before, publications: back });
      await changeNamespaceOf(process, [name], routes === undefined ? undefined : routesOf(old));
      held.network.retire(held.held);
      sandboxes.announce('disconnect', request.containerId, { [networkName]: settings });
    },
  };
}

/** @throws as `Networks.disconnect` */
export function leave(connection: Connection, network: { readonly id: string; readonly name: string }): LeavingSandbox {
  const { sandboxes, request, process, log } = connection;
  const before = heldOf(connection);
  const leaving = before.endpoints.find(({ networkId }) => networkId === network.id);
  const settings = before.sandbox.endpoints[network.name];
  if (leaving === undefined && settings === undefined) {
    throw conflict(`container ${request.containerId} is not connected to network ${network.name}`);
  }
  const endpoints = before.endpoints.filter((endpoint) => endpoint !== leaving);
  const sandbox = changed(before.sandbox, endpoints, before.publications, connection, {});
  return {
    sandbox,
    async apply() {
      const now = heldOf(connection);
      sandboxes.replace(request.containerId, {
        ...now,
        sandbox,
        endpoints,
        publications: movedPorts(connection, now, endpoints),
      });
      const [old, next] = [chooseGateways(now.endpoints), chooseGateways(endpoints)];
      const routes = sameGateways(old, next) ? undefined : routesOf(next);
      if (leaving !== undefined) await pullOut(process, leaving, routes, log);
      if (settings !== undefined) sandboxes.announce('disconnect', request.containerId, { [network.name]: settings });
    },
  };
}

/**
 * The interface goes by its name in the container. A cable is shut at both ends, whatever its end there is called by now: the
 * kernel needs 20 ms to remove it, and nobody waits for that.
 */
async function pullOut(
  process: ContainerProcess,
  { held, network, interfaceName }: HeldEndpoint,
  routes: ReturnType<typeof routesOf> | undefined,
  log: Logger,
): Promise<void> {
  const { hostName } = held;
  const isPulled = hostName !== undefined && network.pull !== undefined;
  try {
    using namespace = namespaceOf(process);
    const change = isPulled
      ? { remove: [], setAside: [{ name: interfaceName, as: hostName }] }
      : { remove: [interfaceName] };
    await changeNamespace({ namespace: namespace.fd, add: [], ...change, routes });
  } catch (error) {
    log.warn('an interface could not be taken out of a container', { interfaceName, reason: messageOf(error) });
  }
  if (isPulled) await network.pull?.(held);
  else network.retire(held);
}

/** @throws EngineError `conflict` when the process has ended: its container is about to be seen to have */
function namespaceOf(process: ContainerProcess): Disposable & { readonly fd: number } {
  try {
    const fd = openNetNamespaceOfProcess(process);
    return { fd, [Symbol.dispose]: () => closeNetNamespace(fd) };
  } catch (error) {
    if (!['ENOENT', 'ESRCH'].includes(systemCode(error) ?? '')) throw error;
    throw conflict(`process ${process.pid} of the container has ended: it is not running any more`);
  }
}

async function changeNamespaceOf(
  process: ContainerProcess,
  remove: readonly string[],
  routes: ReturnType<typeof routesOf> | undefined,
): Promise<void> {
  using namespace = namespaceOf(process);
  await changeNamespace({ namespace: namespace.fd, add: [], remove, routes });
}

/**
 * Published ports follow the default routes, with the ports of the host that they have; they are taken up when there was
 * nowhere to lead them, and let go when there is nowhere left.
 */
function movePorts(connection: Connection, before: Held, endpoints: readonly HeldEndpoint[]): readonly Publication[] {
  const { publisher } = connection.sandboxes;
  const [old, next] = [chooseGateways(before.endpoints), chooseGateways(endpoints)];
  const had = targetsOf(old);
  const targets = targetsOf(next);
  const isSame = ([4, 6] as const).every(
    (family) => had[family]?.interface === targets[family]?.interface && had[family]?.mode === targets[family]?.mode,
  );
  if (isSame) return before.publications;
  const requests = before.publications.length > 0 ? again(before.publications) : connection.ports.requests;
  publisher.withdraw(before.publications);
  try {
    return publishOn(publisher, { requests, exposed: [] }, targets, connection);
  } catch (error) {
    const back = publishOn(publisher, { requests: again(before.publications), exposed: [] }, had, connection);
    connection.sandboxes.replace(connection.request.containerId, { ...before, publications: back });
    throw error;
  }
}

/** The container leaves in any case: ports that cannot follow are closed. */
function movedPorts(connection: Connection, before: Held, endpoints: readonly HeldEndpoint[]): readonly Publication[] {
  const { sandboxes, request, log } = connection;
  try {
    return movePorts(connection, before, endpoints);
  } catch (error) {
    log.error('published ports could not follow a container to another network', { reason: messageOf(error) });
    sandboxes.publisher.withdraw(heldOf(connection).publications);
    sandboxes.replace(request.containerId, { ...before, publications: [] });
    return [];
  }
}

const publishOn = (
  publisher: Publisher,
  ports: PortPlan,
  targets: ReturnType<typeof targetsOf>,
  { request }: Connection,
): readonly Publication[] => published(publisher, ports, targets, request.containerName);

/** Also of a sandbox from before it said so itself. */
const hasNameServer = (sandbox: Pick<Sandbox, 'endpoints' | 'hasNameServer'>): boolean =>
  sandbox.hasNameServer === true || Object.values(sandbox.endpoints).some(({ DNSNames }) => DNSNames !== null);

/** The sandbox with other endpoints; `added` are those that it did not have. */
function changed(
  before: Sandbox,
  endpoints: readonly HeldEndpoint[],
  publications: readonly Publication[],
  { ports }: Connection,
  added: Sandbox['endpoints'],
): Sandbox {
  const all = { ...before.endpoints, ...added };
  const names = endpoints.map(({ networkName }) => networkName);
  const shown = Object.keys(targetsOf(chooseGateways(endpoints))).length > 0;
  return {
    ...before,
    endpoints: Object.fromEntries(names.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]]))),
    ports: shown ? portMapOf(ports.exposed, publications) : noPorts,
    hostInterfaces: endpoints.flatMap(({ held }) => held.hostName ?? []),
    interfaces: Object.fromEntries(endpoints.map((endpoint) => [endpoint.networkName, interfaceOf(endpoint)])),
    hasNameServer: [before, { endpoints: added }].some(hasNameServer),
  };
}
