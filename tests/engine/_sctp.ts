/** SCTP by raw sockets: many kernels translate it without having it themselves. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ended } from '../support/run.ts';

/** An INIT (RFC 9260, 3.3.2) with its checksum (CRC32c, appendix A), and a look at one that comes. */
const common = `
import json, socket, struct, sys
def crc(data):
    value = 0xffffffff
    for byte in data:
        value ^= byte
        for _ in range(8): value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
    return struct.pack("<I", value ^ 0xffffffff)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
`;

const sender = `${common}
head, chunk = struct.pack(">HHI", 40000, int(sys.argv[2]), 0), struct.pack(">BBHIIHHI", 1, 0, 20, 1, 65536, 1, 1, 1)
raw.sendto(head + crc(head + bytes(4) + chunk) + chunk, (sys.argv[1], 0))
`;

const receiver = `${common}
raw.settimeout(10)
print("ready", flush=True)
packet = raw.recv(2048)
data = packet[(packet[0] & 15) * 4:]
valid = crc(data[:8] + bytes(4) + data[12:]) == data[8:12]
place = lambda at: socket.inet_ntoa(packet[at:at + 4])
print(json.dumps({"from": place(12), "to": place(16), "port": struct.unpack(">H", data[2:4])[0], "valid": valid}))
`;

/** An INIT as it came: addresses, port, and whether its checksum is right. */
export interface Arrived {
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly valid: boolean;
}

type Enter = (command: readonly string[]) => readonly [string, ...string[]];

/** Sends an INIT from one place and resolves with the first that comes at the other. @throws Error after ten seconds */
export async function initArrives(places: {
  readonly outside: Enter;
  readonly inside: Enter;
  readonly to: { readonly host: string; readonly port: number };
}): Promise<Arrived> {
  const { outside, inside, to } = places;
  const start = ([program, ...args]: readonly [string, ...string[]]) =>
    spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const waiting = start(inside(['python3', '-c', receiver]));
  const end = ended(waiting);
  let output = '';
  waiting.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await Promise.race([once(waiting.stdout, 'data'), end]);
  await ended(start(outside(['python3', '-c', sender, to.host, String(to.port)])));
  const { code } = await end;
  const line = output.split('\n')[1];
  if (code !== 0 || line === undefined) throw new Error(`no INIT came: ${code} ${output}`);
  return JSON.parse(line) as Arrived;
}
