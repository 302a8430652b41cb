/**
 * A laboratory for tests with real packets: the test process moves into an empty network namespace of its own, which
 * plays the host; neighbours on its wire and containers are further namespaces, each with an agent process inside.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { EngineError } from '../base/errors.ts';
import { check } from '../sys/ffi/errors.ts';
import { openLibrary } from '../sys/ffi/library.ts';
import { closeNetNamespace, createNetNamespace, inNetNamespace, openNetNamespaceOf } from '../sys/namespace/net.ts';
import { addAddress, addDefaultRoute } from '../sys/netlink/address.ts';
import { linkIndex } from '../sys/netlink/plug.ts';
import { addVeth, setLink } from '../sys/netlink/link.ts';
import { netlinkFamily, NetlinkSocket } from '../sys/netlink/socket.ts';
import { AsideBook } from '../events/aside.ts';
import type { EventInput } from '../spec/engine/event.ts';
import type { RecordChange, StateJournal } from '../spec/contract/state.ts';
import { bytesOf, parseAddress } from '../base/address.ts';

/** Why tests with namespaces cannot run here; false when they can. */
export const labSkip = process.getuid?.() === 0 ? false : 'network namespaces need root';

/** Moves the process, and the worker threads it starts from now on, into an empty namespace with a loopback. */
export function enterLab(): void {
  const libc = openLibrary(null, { unshare: { arguments: ['i32'], return: 'i32' } });
  check(libc.unshare(0x40000000), 'unshare');
  using socket = new NetlinkSocket(netlinkFamily.route);
  socket.request([setLink(1, { up: true })], 'lo up');
}

const bytes = (text: string): Uint8Array => bytesOf(parseAddress(text) ?? { family: 4, value: 0n });

/** A machine on the same wire as the host, with the host as its way to everywhere. The caller closes the descriptor. */
export function addNeighbour(wire: { name: string; hostIp: string; neighbourIp: string }): number {
  const namespace = createNetNamespace();
  using host = new NetlinkSocket(netlinkFamily.route);
  host.request([addVeth({ name: wire.name, peer: { name: 'eth0', namespaceFd: namespace } })], 'wire');
  host.request([addAddress(linkIndex(wire.name), bytes(wire.hostIp), 24)], 'host address');
  using neighbour = inNetNamespace(namespace, () => new NetlinkSocket(netlinkFamily.route));
  const index = inNetNamespace(namespace, () => linkIndex('eth0'));
  neighbour.request(
    [
      addAddress(index, bytes(wire.neighbourIp), 24),
      setLink(index, { up: true }),
      addDefaultRoute(bytes(wire.hostIp), index),
    ],
    'neighbour',
  );
  return namespace;
}

/** Sets a sysctl of the host that the laboratory plays. */
export const setSysctl = (name: string, value: string): void =>
  writeFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, value);

type AgentCommand =
  | { readonly do: 'listen'; readonly protocol: 'tcp' | 'udp'; readonly port: number; readonly text: string }
  | {
      readonly do: 'ask';
      readonly protocol: 'tcp' | 'udp';
      readonly host: string;
      readonly port: number;
      readonly patienceMs: number;
    };

/** Runs in the agent's process: servers answer with a text and the client's address, clients give what they got. */
function agentMain(net: typeof import('node:net'), udp: typeof import('node:dgram')): void {
  const give = (value: string) => process.send?.(value);
  process.on('message', (command: AgentCommand) => {
    const failed = (error: Error) => give(`error ${(error as { code?: string }).code ?? error.message}`);
    if (command.do === 'listen' && command.protocol === 'tcp') {
      const server = net.createServer((socket) => {
        socket.on('error', () => undefined).end(`${command.text} ${socket.remoteAddress}`);
      });
      server.on('error', failed).listen(command.port, '0.0.0.0', () => give('ready'));
    } else if (command.do === 'listen') {
      const socket = udp.createSocket('udp4');
      socket.on('message', (_, from) => socket.send(`${command.text} ${from.address}`, from.port, from.address));
      socket.on('error', failed).bind(command.port, () => give('ready'));
    } else if (command.protocol === 'tcp') {
      let text = '';
      const socket = net.connect(command.port, command.host);
      socket.setTimeout(command.patienceMs, () => socket.destroy(Object.assign(new Error(), { code: 'TIMEOUT' })));
      socket.on('data', (data) => (text += data)).on('end', () => give(text));
      socket.on('error', failed);
    } else {
      const socket = udp.createSocket(net.isIPv6(command.host) ? 'udp6' : 'udp4');
      const timer = setTimeout(() => socket.close() && give('error TIMEOUT'), command.patienceMs);
      socket.on('message', (data) => {
        clearTimeout(timer);
        socket.close();
        give(String(data));
      });
      socket.send('?', command.port, command.host);
    }
  });
  give('ready');
}

/** A process inside a namespace that serves and asks at the test's command. */
export class Agent implements Disposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(namespace: number): Promise<Agent> {
    const code = `(${agentMain.toString()})(require('node:net'), require('node:dgram'))`;
    const child = inNetNamespace(namespace, () =>
      spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
    );
    const agent = new Agent(child);
    await agent.#answer();
    return agent;
  }

  /** Process id: one inside the namespace. */
  get pid(): number {
    return this.#child.pid ?? -1;
  }

  async listen(port: number, text: string, protocol: 'tcp' | 'udp' = 'tcp'): Promise<void> {
    const answer = await this.#ask({ do: 'listen', protocol, port, text });
    if (answer !== 'ready') throw new EngineError('internal', answer);
  }

  /** What a server answered, or `error ECONNREFUSED`, `error TIMEOUT`, ... */
  ask(host: string, port: number, protocol: 'tcp' | 'udp' = 'tcp', patienceMs = 60_000): Promise<string> {
    return this.#ask({ do: 'ask', protocol, host, port, patienceMs });
  }

  /** The same where no answer is the right one: it is not waited for so long. */
  tryToReach(host: string, port: number): Promise<string> {
    return this.ask(host, port, 'tcp', 300);
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }

  #ask(command: AgentCommand): Promise<string> {
    this.#child.send(command);
    return this.#answer();
  }

  #answer(): Promise<string> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null) => reject(new Error(`the agent ended with code ${code}`));
      this.#child.once('exit', onExit);
      this.#child.once('message', (answer: unknown) => {
        this.#child.off('exit', onExit);
        resolve(typeof answer === 'string' ? answer : 'error');
      });
    });
  }
}

/** An agent on the host of the laboratory. */
export async function hostAgent(): Promise<Agent> {
  const namespace = openNetNamespaceOf(process.pid);
  try {
    return await Agent.start(namespace);
  } finally {
    closeNetNamespace(namespace);
  }
}

/** A journal in memory that survives a "restart" of the service under test. */
export function memoryJournal(): StateJournal & { readonly events: EventInput[] } {
  const events: EventInput[] = [];
  const records = new Map<string, RecordChange & { op: 'put' }>();
  return {
    aside: new AsideBook(),
    events,
    load: async (kind) => [...records.values()].filter((record) => record.kind === kind),
    async commit({ records: changes = [], events: happened = [] }) {
      events.push(...happened);
      for (const change of changes) {
        const key = `${change.kind} ${change.id}`;
        if (change.op === 'put') records.set(key, change);
        else records.delete(key);
      }
      return [];
    },
  };
}
