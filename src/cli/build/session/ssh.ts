import { GrpcError, statusCodes } from '../../../build/grpc/status.ts';
import { decode } from '../../../build/wire/decode.ts';
import { encode } from '../../../build/wire/encode.ts';
import { bytesMessage, checkAgentRequest, nothing } from '../../../build/wire/session.ts';
import { connect } from '../../../client/socket.ts';
import { type GrpcCall, type Method, once } from './grpc.ts';

/** Names the agent of a call that is forwarded. */
const idHeader = 'buildkit.ssh.id';

/** Agents of this machine, by the names that RUN --mount=type=ssh has for them: paths of their sockets. */
export function sshMethods(agents: ReadonlyMap<string, string>): [string, Method][] {
  const socketOf = (id: string): string => {
    const socket = agents.get(id === '' ? 'default' : id);
    if (socket === undefined) throw new GrpcError(statusCodes.notFound, `unset ssh forward key ${id || 'default'}`);
    return socket;
  };
  return [
    [
      '/moby.sshforward.v1.SSH/CheckAgent',
      once(checkAgentRequest, nothing, async ({ id }) => {
        socketOf(id);
        return {};
      }),
    ],
    ['/moby.sshforward.v1.SSH/ForwardAgent', (call) => forward(call, socketOf(call.metadata.get(idHeader)?.[0] ?? ''))],
  ];
}

async function forward(call: GrpcCall, path: string): Promise<void> {
  const socket = await connect({ kind: 'unix', path });
  try {
    const asking = (async () => {
      for await (const message of call.messages) await socket.write(decode(bytesMessage, message).data);
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
