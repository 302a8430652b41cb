import assert from 'node:assert/strict';
import { once, EventEmitter } from 'node:events';
import { test } from 'node:test';
import type { NamedSandbox } from '../../spec/resolver/names.ts';
import { closeNetNamespace, createNetNamespace, inNetNamespace } from '../../sys/namespace/net.ts';
import { setLink } from '../../sys/netlink/link.ts';
import { netlinkFamily, NetlinkSocket } from '../../sys/netlink/socket.ts';
import { connectDatagrams, DatagramClient, socketAddress } from '../../sys/socket/inet-datagram.ts';
import { type NameSockets, openNameSockets } from '../../sys/socket/name-sockets.ts';
import { encode } from './_messages.ts';
import { recordType } from './query.ts';
import { NameServers } from './servers.ts';

const skip = process.getuid?.() === 0 ? false : 'network namespaces need root';

const sandbox = (container: string, address: string): NamedSandbox => ({
  container,
  process: undefined,
  endpoints: [{ network: 'n', networkName: 'net', names: [container], addresses: [address], links: [] }],
  upstreams: [],
  outside: false,
  dotted: false,
});

/** A container's namespace, with somebody in it who asks for addresses of names; an answer without any is `none`. */
class Asker implements Disposable {
  readonly namespace = createNetNamespace();
  readonly sockets: NameSockets;
  readonly #answers = new EventEmitter<{ answer: [string] }>();
  readonly #client: DatagramClient;

  constructor() {
    using netlink = inNetNamespace(this.namespace, () => new NetlinkSocket(netlinkFamily.route));
    netlink.request([setLink(1, { up: true })], 'lo up');
    this.sockets = openNameSockets(this.namespace, 'names-test');
    const to = socketAddress(Uint8Array.of(127, 0, 0, 11), 53);
    const fd = inNetNamespace(this.namespace, () => connectDatagrams(to));
    this.#client = new DatagramClient(fd, {
      packet: (bytes) => {
        const count = bytes.readUInt16BE(6);
        this.#answers.emit('answer', count === 0 ? 'none' : bytes.subarray(bytes.length - 4).join('.'));
      },
      failed: () => this.#answers.emit('answer', 'failed'),
    });
  }

  async ask(name: string): Promise<string> {
    const answer = once(this.#answers, 'answer');
    this.#client.send(encode({ name, type: recordType.A }));
    const [text] = await answer;
    return text as string;
  }

  [Symbol.dispose](): void {
    this.#client.close();
    closeNetNamespace(this.namespace);
  }
}

test('who comes new is answered when all that an engine announced are known, or nothing more can come', {
  skip,
}, async () => {
  for (const last of ['told', 'gone', 'no engine']) {
    using asker = new Asker();
    const servers = new NameServers(
      () => undefined,
      () => undefined,
    );
    servers.announce(['one', 'two']);
    assert.equal(servers.set(sandbox('one', '10.0.0.1'), asker.sockets), true);
    const early = asker.ask('two');
    // A turn of the event loop in which a server that is open would answer.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    if (last === 'told') servers.set(sandbox('two', '10.0.0.2'), undefined);
    else if (last === 'gone') servers.forget('two');
    else servers.dropOrphans();
    if (last === 'no engine') {
      // One that never came to run goes with the engine, and its question with its sockets.
      assert.equal(servers.count, 0);
      continue;
    }
    assert.equal(await early, last === 'told' ? '10.0.0.2' : 'none');
    servers.announce([]);
  }
});

test('before a name is unknown what engines have said is taken in', { skip }, async () => {
  using asker = new Asker();
  const said: NamedSandbox[] = [sandbox('late', '10.0.0.7')];
  const servers = new NameServers(
    () => undefined,
    () => {
      for (const one of said.splice(0)) servers.set(one, undefined);
    },
  );
  servers.set(sandbox('one', '10.0.0.1'), asker.sockets);
  assert.equal(await asker.ask('one'), '10.0.0.1');
  assert.equal(said.length, 1);
  assert.equal(await asker.ask('late'), '10.0.0.7');
  assert.equal(await asker.ask('never'), 'none');
  servers.announce([]);
});

test('nobody waits for a container that has ended before an engine tells of it', { skip }, async () => {
  using asker = new Asker();
  const servers = new NameServers(
    () => undefined,
    () => undefined,
  );
  const ended = { ...sandbox('two', '10.0.0.2'), process: { pid: process.pid, start: 1 } };
  servers.set(ended, undefined);
  assert.equal(servers.count, 0);
  servers.announce(['one', 'two']);
  servers.set(sandbox('one', '10.0.0.1'), asker.sockets);
  servers.set(ended, undefined);
  assert.equal(await asker.ask('two'), 'none');
  servers.announce([]);
});
