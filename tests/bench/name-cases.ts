import { enterNetwork } from '../support/name-tools.ts';
import { must } from '../support/run.ts';
import { type Case, docker } from './cases.ts';
import type { Peer } from './engines.ts';

/** Asks for one container's name from the network namespace of another. Blocking sockets: the client is to take little. */
const client = `
import os, socket, struct, sys, time
name, count, rate, victim = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
rest = struct.pack(">HHHHH", 0x100, 1, 0, 0, 0) + bytes([len(name)]) + name.encode() + b"\\0\\0\\1\\0\\1"
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
sock.connect(("127.0.0.11", 53))
def answered(reply):
    return reply[6:8] != b"\\0\\0"
if victim > 0:
    # Whoever has no such name asks others, who take their time: no answer soon is none.
    sock.settimeout(0.05)
    os.kill(victim, 9)
    began = time.perf_counter()
    for number in range(1, 10000):
        asked = time.perf_counter()
        sock.send(struct.pack(">H", number) + rest)
        try:
            while True:
                reply = sock.recv(512)
                if struct.unpack(">H", reply[:2])[0] == number: break
            if not answered(reply): break
        except socket.timeout:
            break
        time.sleep(0.001)
    print((asked - began) * 1000)
elif rate == 0:
    sock.settimeout(5)
    times = []
    for number in range(count):
        began = time.perf_counter()
        sock.send(struct.pack(">H", number & 0xffff) + rest)
        while True:
            reply = sock.recv(512)
            if struct.unpack(">H", reply[:2])[0] == number & 0xffff: break
        if not answered(reply): sys.exit("no such name")
        times.append(time.perf_counter() - began)
    times.sort()
    print(times[len(times) // 2] * 1000)
else:
    seen = set()
    sock.setblocking(False)
    def drain():
        try:
            while True:
                reply = sock.recv(512)
                if answered(reply): seen.add(reply[:2])
        except BlockingIOError:
            pass
    began = time.perf_counter()
    for number in range(count):
        while time.perf_counter() - began < number / rate: drain()
        sock.send(struct.pack(">H", number) + rest)
    last = time.perf_counter()
    while len(seen) < count and time.perf_counter() - last < 3: drain()
    print(count - len(seen))
`;

const [asking, asked, net] = ['bench-asking', 'bench-asked', 'bench-names'];

/** Milliseconds from the death of the other container's process to the first question that gets no address. */
async function untilGone(peer: Peer): Promise<number> {
  await docker(peer, 'start', asked);
  const took = await ask(peer, 0, 0, await docker(peer, 'inspect', '--format={{.State.Pid}}', asked));
  await docker(peer, 'wait', asked);
  return took;
}

async function ask(peer: Peer, count: number, rate: number, victim = '0'): Promise<number> {
  const pid = await docker(peer, 'inspect', '--format={{.State.Pid}}', asking);
  const [program, ...args] = enterNetwork(pid, ['python3', '-c', client, asked, String(count), String(rate), victim]);
  return Number(await must(program, args, { timeout: 60_000 }));
}

async function twoContainers(peer: Peer, image: string): Promise<void> {
  await docker(peer, 'network', 'create', net);
  for (const name of [asking, asked]) {
    await docker(peer, 'run', '-d', '--network', net, '--name', name, image, 'sleep', '100000');
  }
}

async function noContainers(peer: Peer): Promise<void> {
  await docker(peer, 'rm', '-f', asking, asked);
  await docker(peer, 'network', 'rm', net);
}

/** Of questions for a container's name: the client and the server are on the same machine. */
export const nameCases: readonly Case[] = [
  {
    name: 'a name, median of 2,000 one after the other',
    goal: 0.7,
    second: { name: 'names lost of 20,000 at 5,000 a second' },
    without: ['podman'],
    prepare: (peer, images) => twoContainers(peer, images.busybox),
    measure: async (peer) => [await ask(peer, 2000, 0), await ask(peer, 20_000, 5000)],
    finish: (peer) => noContainers(peer),
  },
  {
    name: 'a name that goes with its process',
    without: ['podman'],
    prepare: (peer, images) => twoContainers(peer, images.busybox),
    measure: untilGone,
    finish: (peer) => noContainers(peer),
  },
  {
    name: 'run --rm on a network of its own, true',
    goal: 0.35,
    without: ['podman'],
    prepare: async (peer) => void (await docker(peer, 'network', 'create', net)),
    measure: async (peer, images) => {
      const started = performance.now();
      await docker(peer, 'run', '--rm', '--network', net, images.busybox, 'true');
      return performance.now() - started;
    },
    finish: async (peer) => void (await docker(peer, 'network', 'rm', net)),
  },
];
