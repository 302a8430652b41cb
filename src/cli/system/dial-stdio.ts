import { connect } from '../../client/socket.ts';
import { defineCommand, noArguments } from '../command.ts';

/** What `ssh` runs on the other side of a connection to `ssh://`; docker's command line has it, too. */
export const dialStdio = defineCommand({
  usage: '',
  summary: 'Relay standard input and output to the engine',
  flags: {},
  args: noArguments,
  async run({ session }) {
    const socket = await connect(session.target.endpoint);
    const upload = async (): Promise<void> => {
      for await (const chunk of process.stdin) await socket.write(chunk as Uint8Array);
      socket.end();
    };
    // An engine that has hung up takes nothing more: its answer, or the end of it, is what counts.
    upload().catch(() => undefined);
    try {
      for (let chunk = await socket.read(); chunk !== undefined; chunk = await socket.read()) {
        await session.output.bytes(1, chunk);
      }
      return 0;
    } finally {
      socket.destroy();
      process.stdin.destroy();
    }
  },
});
