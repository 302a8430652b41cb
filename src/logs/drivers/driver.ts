import type { LoggedContainer, LogSettings } from '../../spec/contract/logs.ts';

/** The longest message to a backend: what is longer goes in parts, as with Docker. */
export const LONGEST_MESSAGE = 16 * 1024;

/** One line of a container, or a part of a long one, on its way to a backend. */
export interface Message {
  readonly stream: 'stdout' | 'stderr';
  readonly timeNs: bigint;
  /** Without the newline. */
  readonly line: Buffer;
  /** Of a line that goes in parts: what they have in common, the place of this one (from 1), whether it is the last. */
  readonly part: { readonly id: string; readonly ordinal: number; readonly last: boolean } | undefined;
}

/** Sends the messages of one container to a backend. */
export interface LogDriver {
  /**
   * Sends messages in order. `sent` is told after each one, or after some, how many are out for certain, as far as the
   * protocol lets the driver know. @throws when the backend is away: what was not told as sent is tried again, with a
   * new connection. Rejects soon when the signal aborts.
   */
  send(messages: readonly Message[], sent: (count: number) => void, signal: AbortSignal): Promise<void>;
  /** Gives its connection up. */
  close(): void;
}

/** What drivers are made of. */
export interface DriverContext {
  readonly container: LoggedContainer;
  readonly settings: LogSettings;
  readonly tag: string;
  readonly hostname: string;
  /** The process id that messages of syslog name: the engine's. */
  readonly pid: number;
  /** Says in the engine's log what could not be sent, ever. */
  readonly complain: (what: string) => void;
}
