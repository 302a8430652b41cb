import { closeFd } from '../ffi/descriptor.ts';
import { check } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';
import { inNetNamespace } from '../namespace/net.ts';
import { Nftables } from '../nftables/connection.ts';
import { priority, type Rule, type Table } from '../nftables/ruleset.ts';

/** The sockets of a container's name server. Synchronous, for the syscall worker. */

const libc = openLibrary(null, {
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  bind: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  listen: { arguments: ['i32', 'i32'], return: 'i32' },
  getsockname: { arguments: ['i32', 'pointer', 'pointer'], return: 'i32' },
  setsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'u32'], return: 'i32' },
});
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK_CLOEXEC = 0o2004000;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;

/** Where containers ask, as their resolv.conf says. */
const nameServer = Uint8Array.of(127, 0, 0, 11);
const namePort = 53;
/** Some thousand questions, that come while the process that answers is starting, or works for others. */
const waitingBytes = 1 << 20;
const waitingConnections = 64;

/** Descriptors of two bound sockets; whoever has them closes them. The kernel keeps their namespace while they are open. */
export interface NameSockets {
  readonly udp: number;
  readonly tcp: number;
}

/**
 * Makes the sockets of a name server in a network namespace, on ports that the kernel chooses, and the rules that lead port
 * 53 of 127.0.0.11 to them: the namespace's own programs can have port 53. Rules of sockets that were there before are
 * replaced. Packets are rewritten one by one, without connection tracking, which a container's namespace mostly goes
 * without. `table` names the rules. @throws SystemError, NetlinkError; nothing is left then.
 */
export function openNameSockets(namespace: number, table: string): NameSockets {
  return inNetNamespace(namespace, () => {
    const open: number[] = [];
    try {
      const udp = bound(SOCK_DGRAM, open);
      const room = Buffer.alloc(4);
      room.writeInt32LE(waitingBytes);
      check(libc.setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, room, room.length), 'setsockopt');
      const tcp = bound(SOCK_STREAM, open);
      check(libc.listen(tcp, waitingConnections), 'listen');
      // Where no program protects tables from others by owning them: the owner would be this thread, for a moment.
      using nftables = new Nftables({ protect: false });
      nftables.replace(redirection(table, portOf(udp), portOf(tcp)));
      return { udp, tcp };
    } catch (error) {
      for (const fd of open) closeFd(fd);
      throw error;
    }
  });
}

/** Closes both. */
export function closeNameSockets({ udp, tcp }: NameSockets): void {
  closeFd(udp);
  closeFd(tcp);
}

function bound(type: number, open: number[]): number {
  const fd = check(libc.socket(AF_INET, type | SOCK_NONBLOCK_CLOEXEC, 0), 'socket');
  open.push(fd);
  const name = Buffer.alloc(16);
  name.writeUInt16LE(AF_INET, 0);
  name.set(nameServer, 4);
  check(libc.bind(fd, name, name.length), 'bind');
  return fd;
}

function portOf(fd: number): number {
  const name = Buffer.alloc(16);
  check(libc.getsockname(fd, name, Buffer.from([name.length, 0, 0, 0])), 'getsockname');
  return name.readUInt16BE(2);
}

/** Both directions pass the hook for what the namespace itself sends: asking and answering is done inside. */
function redirection(name: string, udp: number, tcp: number): Table {
  const prefix = { address: nameServer, length: 32 };
  const rules = (['udp', 'tcp'] as const).flatMap((protocol): Rule[] => {
    const port = protocol === 'udp' ? udp : tcp;
    return [
      {
        when: [
          { on: 'destination', prefix },
          { on: 'destination-port', protocol, port: namePort },
        ],
        then: { do: 'set-port', protocol, of: 'destination', to: port },
        comment: 'questions to the name server',
      },
      {
        when: [
          { on: 'source', prefix },
          { on: 'source-port', protocol, port },
        ],
        then: { do: 'set-port', protocol, of: 'source', to: namePort },
        comment: 'answers of the name server',
      },
    ];
  });
  const chain = { name: 'name-server', type: 'filter', hook: 'output', priority: priority.raw, rules } as const;
  return { name, family: 4, maps: [], chains: [chain] };
}
