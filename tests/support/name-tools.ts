import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { ended, must } from './run.ts';

/** A name server and clients for tests, each a process of its own in some network namespace. */

/** The command line that runs `command` in a process's network namespace. */
export const enterNetwork = (pid: number | string, command: readonly string[]): readonly [string, ...string[]] => [
  'nsenter',
  `--target=${pid}`,
  '--net',
  '--',
  ...command,
];

/** Runs in the server's process: answers A questions out of `names` over UDP and TCP, everything else with NXDOMAIN. */
function serverMain(
  { createSocket }: typeof import('node:dgram'),
  { createServer }: typeof import('node:net'),
  address: string,
  names: Readonly<Record<string, readonly string[]>>,
): void {
  const answer = (question: Buffer, most: number): Buffer => {
    const labels: string[] = [];
    let at = 12;
    for (; (question[at] ?? 0) > 0; at += 1 + (question[at] ?? 0)) {
      labels.push(question.toString('latin1', at + 1, at + 1 + (question[at] ?? 0)));
    }
    const found = names[labels.join('.').toLowerCase()];
    const type = question.readUInt16BE(at + 1);
    console.log(`${labels.join('.')} ${type}`);
    const all = type === 1 ? (found ?? []) : [];
    const isCut = 12 + at + all.length * 16 > most;
    const records = isCut ? [] : all;
    const head = Buffer.from(question.subarray(0, at + 5));
    head.writeUInt16BE(found === undefined ? 0x8183 : isCut ? 0x8380 : 0x8180, 2);
    head.writeUInt16BE(records.length, 6);
    head.writeUInt32BE(0, 8);
    const data = records.map((one) =>
      Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...one.split('.').map(Number)]),
    );
    return Buffer.concat([head, ...data]);
  };
  const datagrams = createSocket('udp4');
  datagrams.on('message', (question, from) => datagrams.send(answer(question, 512), from.port, from.address));
  const streams = createServer((socket) => {
    socket.on('data', (bytes: Buffer) => {
      const reply = answer(bytes.subarray(2), 65_535);
      socket.write(Buffer.concat([Buffer.from([reply.length >> 8, reply.length & 255]), reply]));
    });
    socket.on('error', () => undefined);
  });
  streams.listen(53, address, () => datagrams.bind(53, address, () => console.log('ready')));
}

export interface TestNameServer extends AsyncDisposable {
  /** The questions that it got: names and types. */
  readonly asked: readonly string[];
}

/** Serves at port 53 of an address where `enter` leads. */
export async function startNameServer(
  enter: (command: readonly string[]) => readonly [string, ...string[]],
  address: string,
  names: Readonly<Record<string, readonly string[]>>,
): Promise<TestNameServer> {
  const given = `${JSON.stringify(address)}, ${JSON.stringify(names)}`;
  const script = `(${serverMain.toString()})(require('node:dgram'), require('node:net'), ${given})`;
  const [program, ...args] = enter([process.execPath, '-e', script]);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const end = ended(child);
  const asked: string[] = [];
  const lines = createInterface(child.stdout);
  const ready = once(lines, 'line');
  lines.on('line', (line) => void (line !== 'ready' && asked.push(line)));
  await Promise.race([ready, end.then(() => Promise.reject(new Error('the name server did not start')))]);
  return {
    asked,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await end;
    },
  };
}

/** Runs in a client's process: the answers to one question, sorted, as JSON. */
const askScript = (name: string, type: string): string => `
  const resolver = new (require('node:dns').promises.Resolver)({ timeout: 4000, tries: 1 });
  resolver.setServers(['127.0.0.11']);
  resolver.resolve(${JSON.stringify(name)}, ${JSON.stringify(type)}).catch((error) => ['error ' + error.code])
    .then((found) => console.log(JSON.stringify(found.map(String).toSorted())));`;

/** What a process's network namespace hears from 127.0.0.11: sorted answers, or `error ENOTFOUND`, `error ESERVFAIL`, ... */
export async function askFrom(pid: number | string, name: string, type = 'A'): Promise<readonly string[]> {
  const [program, ...args] = enterNetwork(pid, [process.execPath, '-e', askScript(name, type)]);
  return JSON.parse(await must(program, args, { timeout: 15_000 })) as string[];
}

/** Runs in a client's process: asks again and again, one question at a time, and counts. */
function askerMain({ createSocket }: typeof import('node:dgram'), name: string): void {
  const question = (id: number): Buffer =>
    Buffer.concat([
      Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
      ...name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
      Buffer.from([0, 0, 1, 0, 1]),
    ]);
  const socket = createSocket('udp4');
  let [id, asked, answered, lost, longest, began] = [0, 0, 0, 0, 0, 0];
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const ask = (): void => {
    if (isOver) return (console.log(JSON.stringify({ asked, answered, lost, longestMs: longest })), process.exit(0));
    id = (id + 1) & 0xffff;
    asked++;
    began = performance.now();
    timer = setTimeout(() => (lost++, ask()), 5000);
    socket.send(question(id));
  };
  socket.on('message', (reply: Buffer) => {
    if (reply.readUInt16BE(0) !== id) return;
    clearTimeout(timer);
    longest = Math.max(longest, performance.now() - began);
    if (reply.readUInt16BE(6) > 0) answered++;
    else lost++;
    setTimeout(ask, 1);
  });
  socket.on('error', () => undefined);
  socket.connect(53, '127.0.0.11', () => (console.log('ready'), ask()));
  process.stdin.on('end', () => (isOver = true)).resume();
}

export interface AskerResult {
  readonly asked: number;
  readonly answered: number;
  /** Questions without an answer, or without an address in it, within five seconds. */
  readonly lost: number;
  readonly longestMs: number;
}

export interface Asker {
  /** Ends it. */
  finish(): Promise<AskerResult>;
}

/** A process that asks for one name all the time until it is told to end. */
export async function startAsker(pid: number | string, name: string): Promise<Asker> {
  const script = `(${askerMain.toString()})(require('node:dgram'), ${JSON.stringify(name)})`;
  const [program, ...args] = enterNetwork(pid, [process.execPath, '-e', script]);
  const child: ChildProcess = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const end = ended(child);
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  return {
    async finish() {
      child.stdin?.end();
      await end;
      return JSON.parse(output.split('\n').at(-2) ?? '') as AskerResult;
    },
  };
}

/**
 * Asks for one container's name from the network namespace of another: NAME COUNT RATE VICTIM. Blocking sockets: the client
 * is to take little. With a rate (questions a second) it prints how many of them were lost.
 */
export const pythonClient = `
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

/** How many of `count` questions for a container's name stay without an address when so many are asked a second. */
export async function lostAtRate(pid: number | string, name: string, count: number, rate: number): Promise<number> {
  const [program, ...args] = enterNetwork(pid, ['python3', '-c', pythonClient, name, String(count), String(rate), '0']);
  return Number(await must(program, args, { timeout: 60_000 }));
}
