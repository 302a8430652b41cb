/** Who reaches what: servers in the network namespaces of containers, and clients anywhere that ask many of them at once. */
import { type ChildProcess, spawn } from 'node:child_process';
import { ended, type RunResult } from '../support/run.ts';
import { patience } from '../support/wait.ts';

/** Answers TCP and UDP, of both families, with the client's address. */
const serverScript = `
const plain = (address) => address.replace('::ffff:', '');
const ports = process.argv.slice(1).map(Number);
let open = 0;
const ready = () => { if (++open === ports.length * 2) process.stdout.write('ready'); };
for (const port of ports) {
  require('node:net').createServer((socket) => {
    socket.on('error', () => undefined).end(plain(socket.remoteAddress ?? ''));
  }).listen(port, '::', ready);
  const udp = require('node:dgram').createSocket({ type: 'udp6', ipv6Only: false });
  udp.on('message', (_, from) => udp.send(plain(from.address), from.port, from.address)).bind(port, '::', ready);
}
process.stdin.resume().on('end', () => process.exit());
`;

/** Asks all at once; what does not answer in time is the empty string. */
const clientScript = `
const { targets, patience } = JSON.parse(process.argv[1]);
const ask = ({ host, port, udp, from }) => new Promise((resolve) => {
  const timer = setTimeout(() => resolve(''), patience);
  const done = (text) => { clearTimeout(timer); resolve(String(text)); };
  if (udp) {
    const socket = require('node:dgram').createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.on('message', done).on('error', () => done('')).send('?', port, host);
    return;
  }
  let text = '';
  require('node:net').connect({ host, port, localAddress: from })
    .on('data', (data) => (text += data)).on('end', () => done(text)).on('error', () => done(''));
});
Promise.all(targets.map(ask)).then((answers) => { console.log(JSON.stringify(answers)); process.exit(); });
`;

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly udp?: boolean;
  /** The client's own address. */
  readonly from?: string;
}

const answerMs = 1500;

/** Runs a command at some place of the network. */
export type Place = (command: readonly string[]) => Promise<RunResult>;

/** Whom each target takes the client for; empty for those that did not answer in time. */
export async function ask(place: Place, targets: readonly Target[]): Promise<string[]> {
  const { code, stdout, stderr } = await place([
    process.execPath,
    '-e',
    clientScript,
    JSON.stringify({ targets, patience: answerMs * patience }),
  ]);
  if (code !== 0) throw new Error(`the client ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as string[];
}

/** Serves these ports in the network namespace of a process until it is disposed of. */
export async function servePorts(pid: number, ...ports: readonly number[]): Promise<AsyncDisposable> {
  const child: ChildProcess = spawn(
    'nsenter',
    [`--target=${pid}`, '--net', '--', process.execPath, '-e', serverScript, ...ports.map(String)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const end = ended(child);
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    end.then(() => reject(new Error('the server ended at its start')), reject);
  });
  return {
    async [Symbol.asyncDispose]() {
      child.stdin?.end();
      await end;
    },
  };
}
