import type { Hijacked } from '../../client/client.ts';
import type { Session } from '../session.ts';
import { copyOutput } from './copy.ts';
import type { Wanted } from './copy.ts';
import { DetachScanner, parseDetachKeys } from './detach-keys.ts';
import { enterRawMode } from './tty.ts';

export interface RelayOptions extends Wanted {
  readonly stdin: boolean;
  /** The container has a terminal: output is raw, and the own terminal is put into raw mode while stdin is attached. */
  readonly tty: boolean;
  readonly detachKeys: string;
}

/**
 * Connects the own standard streams with a container's until its output ends or the user types the detach keys. The end
 * of standard input is passed on as a half-close; output goes on. The terminal is restored on every way out.
 */
export async function relay(
  session: Session,
  connection: Hijacked,
  options: RelayOptions,
): Promise<'ended' | 'detached'> {
  const restore = options.stdin && options.tty ? enterRawMode() : () => undefined;
  try {
    const output = options.stdout || options.stderr ? copy(session, connection, options, restore) : undefined;
    const input = sendInput(connection, options);
    if (output === undefined) return await input;
    const first = await Promise.race([output, input.then((how) => (how === 'detached' ? how : output))]);
    return first === 'detached' ? 'detached' : 'ended';
  } finally {
    restore();
    connection.destroy();
  }
}

async function copy(
  session: Session,
  connection: Hijacked,
  options: RelayOptions,
  restore: () => void,
): Promise<'ended'> {
  try {
    await copyOutput(session.output, connection.output, options.tty, options);
  } finally {
    restore();
  }
  return 'ended';
}

/** Passes standard input on; ends with it, or with the detach keys. */
async function sendInput(connection: Hijacked, options: RelayOptions): Promise<'ended' | 'detached'> {
  if (options.stdin) {
    const scanner = options.tty ? new DetachScanner(parseDetachKeys(options.detachKeys)) : undefined;
    try {
      for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
        const scanned = scanner?.push(chunk);
        const pass = scanned?.pass ?? chunk;
        if (pass.length > 0) await connection.write(pass);
        if (scanned?.isDetached === true) return 'detached';
      }
    } catch {
      // The container ended or the connection broke: the output side tells which.
    }
  }
  connection.end();
  return 'ended';
}
