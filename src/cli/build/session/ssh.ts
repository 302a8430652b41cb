import { GrpcError, statusCodes } from '../../../build/grpc/status.ts';
import { decode } from '../../../build/wire/decode.ts';
import { encode } from '../../../build/wire/encode.ts';
import { bytesMessage, checkAgentRequest, nothing } from '../../../build/wire/session.ts';
import { connect } from '../../../client/socket.ts';
import { type GrpcCall, type Method, once } from './grpc.ts';
import { agentAnswers, type AgentKey } from './ssh-keys.ts';

/** Names the agent of a call that is forwarded. */
const idHeader = 'buildkit.ssh.id';

/** An agent of this machine, by its socket, or keys that this program signs with itself. */
export type Agent = { readonly socket: string } | { readonly keys: readonly AgentKey[] };

/** Agents by the names that RUN --mount=type=ssh has for them. */
export function sshMethods(agents: ReadonlyMap<string, Agent>): [string, Method][] {
  const agentOf = (id: string): Agent => {
    const agent = agents.get(id === '' ? 'default' : id);
    if (agent === undefined) throw new GrpcError(statusCodes.notFound, `unset ssh forward key ${id || 'default'}`);
    return agent;
  };
  return [
    [
      '/moby.sshforward.v1.SSH/CheckAgent',
      once(checkAgentRequest, nothing, async ({ id }) => {
        agentOf(id);
        return {};
      }),
    ],
    ['/moby.sshforward.v1.SSH/ForwardAgent', (call) => forward(call, agentOf(call.metadata.get(idHeader)?.[0] ?? ''))],
  ];
}

async function* bytesOf(call: GrpcCall): AsyncGenerator<Uint8Array> {
  for await (const message of call.messages) yield decode(bytesMessage, message).data;
}

async function forward(call: GrpcCall, agent: Agent): Promise<void> {
  if ('keys' in agent) {
    for await (const data of agentAnswers(agent.keys, bytesOf(call))) await call.send(encode(bytesMessage, { data }));
    return;
  }
  const socket = await connect({ kind: 'unix', path: agent.socket });
  try {
    const asking = (async () => {
      for await (const data of bytesOf(call)) await socket.write(data);
      socket.end();
    })();
    asking.catch(() => socket.destroy());
    for (;;) {
      const data = await socket.read();
      if (data === undefined) return;
      await call.send(encode(bytesMessage, { data }));
    }
  } finally {
    socket.destroy();
  }
}
