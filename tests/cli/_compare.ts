import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gantryProgram } from '../support/gantry-command.ts';
import { main } from '../../src/cli/main.ts';
import type { Output } from '../../src/cli/output.ts';
import type { FakeEngine, SeenRequest } from './fake-engine.ts';

export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
  readonly requests: readonly SeenRequest[];
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const environment = { PATH: process.env['PATH'], HOME: '/nonexistent', TZ: 'UTC' };
// The own command runs inside of the test, where a start of Node each time would take longer than all else.
process.env['TZ'] = 'UTC';

/** Whether the docker client is there to compare with. */
export const hasDocker = spawnSync('docker', ['--version']).status === 0;

/** A temporary folder, removed with the process. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-cli-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export async function runProgram(
  program: 'docker' | 'gantry',
  engine: FakeEngine,
  args: readonly string[],
  { input, env = {} }: RunOptions = {},
): Promise<Outcome> {
  const [path, ...first] = program === 'docker' ? (['docker'] as const) : gantryProgram;
  engine.takeRequests();
  const child = spawn(path, [...first, '-H', `unix://${engine.socket}`, ...args], {
    env: { ...environment, ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.end(input);
  const collect = async (stream: AsyncIterable<Buffer> | null): Promise<string> => {
    const chunks: Buffer[] = [];
    for await (const chunk of stream ?? []) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const [stdout, stderr, code] = await Promise.all([collect(child.stdout), collect(child.stderr), ended]);
  return { stdout, stderr, code, requests: engine.takeRequests() };
}

/** Runs the own command inside of this process; input needs a process of its own. */
async function runOwn(engine: FakeEngine, args: readonly string[], options: RunOptions): Promise<Outcome> {
  if (options.input !== undefined) return runProgram('gantry', engine, args, options);
  engine.takeRequests();
  const texts = { 1: '', 2: '' };
  const output: Output = {
    text: (fd, text) => void (texts[fd] += text),
    bytes: async (fd, bytes) => void (texts[fd] += Buffer.from(bytes).toString()),
  };
  const code = await main(['-H', `unix://${engine.socket}`, ...args], { ...environment, ...options.env }, output);
  return { stdout: texts[1], stderr: texts[2], code, requests: engine.takeRequests() };
}

/** Docker's own name in its messages is the only difference that is allowed. */
const renamed = (text: string): string =>
  text
    .replaceAll('docker: ', 'gantry: ')
    .replaceAll(/(['" :])docker( |')(?!login)/g, '$1gantry$2')
    .replaceAll('Docker daemon', 'Gantry daemon');

const byText = (a: string, b: string): number => (a < b ? -1 : 1);

/** Docker goes over the environment and the binds in the order of a Go map: in none. */
function settled(request: SeenRequest): SeenRequest {
  const sort = (key: string, value: unknown): unknown =>
    (key === 'Env' || key === 'Binds') && Array.isArray(value) ? value.map(String).toSorted(byText) : value;
  return request.body === undefined ? request : { ...request, body: JSON.parse(JSON.stringify(request.body, sort)) };
}

/** Docker works on several containers at once, in no order. */
function ordered(all: readonly SeenRequest[]): readonly SeenRequest[] {
  const requests = all.map(settled);
  const isParallel =
    requests.length > 1 && new Set(requests.map(({ method, path }) => method + path.split('/').at(-1))).size <= 2;
  const key = ({ method, path }: SeenRequest) => `${method} ${path}`;
  return isParallel ? requests.toSorted((a, b) => (key(a) < key(b) ? -1 : 1)) : requests;
}

/** Runs both clients and checks that output, exit code and (unless told otherwise) requests are the same. */
export async function sameAsDocker(
  [dockers, owns]: readonly [FakeEngine, FakeEngine],
  args: readonly string[],
  options: RunOptions & { readonly requests?: boolean } = {},
): Promise<void> {
  const [docker, own] = await Promise.all([runProgram('docker', dockers, args, options), runOwn(owns, args, options)]);
  assert.equal(own.stdout, renamed(docker.stdout), 'stdout');
  assert.equal(own.stderr, renamed(docker.stderr), 'stderr');
  assert.equal(own.code, docker.code, 'exit code');
  if (options.requests !== false) assert.deepEqual(ordered(own.requests), ordered(docker.requests), 'requests');
}
