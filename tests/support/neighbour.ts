import type { TestEngine } from './engine.ts';
import { makeNamespaces } from './namespaces.ts';
import { must, run, type RunResult } from './run.ts';

/** Another machine on a wire with the engine's host, in a network namespace of its own. */
export interface Neighbour extends AsyncDisposable {
  /** The neighbour's address. */
  readonly address: string;
  /** The host's address on this wire. */
  readonly hostAddress: string;
  run(...command: readonly string[]): Promise<RunResult>;
  /** The command line that runs `command` there. */
  enter(command: readonly string[]): readonly [string, ...string[]];
}

/** Addresses for documentation (RFC 5737): nobody else has them. */
const address = '192.0.2.2';
const hostAddress = '192.0.2.1';

/** `routes`: the neighbour sends everything through the host; else it knows only its own wire. */
export async function addNeighbour(engine: Pick<TestEngine, 'inside'>, { routes = false } = {}): Promise<Neighbour> {
  const namespaces = await makeNamespaces();
  const enter = (command: readonly string[]): readonly [string, ...string[]] => namespaces.enter(command);
  const there = (command: string): Promise<string> => {
    const [program, ...args] = enter(['ip', ...command.split(' ')]);
    return must(program, args);
  };
  const here = async (command: string): Promise<void> => {
    const { code, stderr } = await engine.inside(['ip', ...command.split(' ')]);
    if (code !== 0) throw new Error(`ip ${command}: ${stderr}`);
  };
  await here(`link add wire0 type veth peer name eth0 netns ${namespaces.pid}`);
  await here(`address add ${hostAddress}/24 dev wire0`);
  await here('link set wire0 up');
  await there(`address add ${address}/24 dev eth0`);
  await there('link set eth0 up');
  if (routes) await there(`route add default via ${hostAddress}`);
  return {
    address,
    hostAddress,
    enter,
    run(...command) {
      const [program, ...args] = enter(command);
      return run(program, args);
    },
    async [Symbol.asyncDispose]() {
      await here('link delete wire0');
      await namespaces[Symbol.asyncDispose]();
    },
  };
}
