/** Every packet of IP that comes in at an interface, by a packet socket: no program and no firewall in between. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ended } from '../support/run.ts';

const script = `
import ipaddress, json, socket, struct, sys
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
raw.bind((sys.argv[1], 0))
end = int(sys.argv[2])
seen = []
print("ready", flush=True)
while True:
    frame, (_, kind, direction, *_rest) = raw.recvfrom(65536)
    data = frame[14:]
    if direction == 4: continue
    if kind == 0x0800:
        protocol, head = data[9], (data[0] & 15) * 4
        source, target = data[12:16], data[16:20]
    elif kind == 0x86dd:
        protocol, head = data[6], 40
        source, target = data[8:24], data[24:40]
    else:
        continue
    # Neighbours that look for each other, and groups that machines join: what interfaces say by themselves.
    if protocol == 0 or (protocol == 58 and data[head] in (130, 131, 132, 133, 134, 135, 136, 143)): continue
    port = struct.unpack(">H", data[head + 2:head + 4])[0] if protocol in (6, 17) else 0
    if protocol == 17 and port == end: break
    seen.append(f"{ipaddress.ip_address(source)} > {ipaddress.ip_address(target)} {protocol} {port}")
print(json.dumps(seen))
`;

/** A datagram to this port of the machine that captures is the end of a capture. */
export const lastPort = 9;

export interface Capture {
  /** Once the last datagram has come: `SOURCE > DESTINATION PROTOCOL PORT` of each packet before it. */
  readonly packets: Promise<readonly string[]>;
}

/** Captures what comes in at `device` where `enter` leads; resolves when it does. */
export async function startCapture(
  enter: (command: readonly string[]) => readonly [string, ...string[]],
  device: string,
): Promise<Capture> {
  const [program, ...args] = enter(['python3', '-c', script, device, String(lastPort)]);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const end = ended(child);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await Promise.race([once(child.stdout, 'data'), end]);
  const packets = end.then(({ code }) => {
    const line = output.split('\n')[1];
    if (code !== 0 || line === undefined) throw new Error(`the capture ended with ${code}: ${output}`);
    return JSON.parse(line) as string[];
  });
  return { packets };
}
