import type { NamedSandbox } from './names.ts';
import type { ProxiedPort } from './proxy.ts';

/** An address of the host, IPv4 or IPv6. */
export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

/**
 * The version of what is said. The process outlives the engine, so another one may find it after an upgrade: it says its own
 * in the answer to `begin`, and is replaced when the engine's is another. To be raised with every change that one side
 * would get wrong without the other; `begin`, `ports`, `listen` and `leave` without anything in them stay for ever, as they
 * make a process of any version end.
 */
export const resolverProtocol = 2;

/**
 * What the engine and its resolver process say to each other over a unix socket: one JSON document a line, worked off in
 * order. An engine begins with `begin`, which makes the process forget what no engine knows any more; so an engine that was
 * started again, or a process that was, is soon where the other is.
 */
export type ResolverStatement =
  /** The containers that there are; all others are forgotten. */
  | { readonly do: 'begin'; readonly number: number; readonly containers: readonly string[] }
  /** The whole of what is proxied. */
  | { readonly do: 'ports'; readonly number: number; readonly ports: readonly ProxiedPort[] }
  /** What is not proxied any more, and what is now: all of it with each start would grow with the ports that there are. */
  | {
      readonly do: 'change-ports';
      readonly number: number;
      readonly remove: readonly ProxiedPort[];
      readonly add: readonly ProxiedPort[];
    }
  /** Where the host's programs ask; nowhere when left out. */
  | { readonly do: 'listen'; readonly number: number; readonly at?: ListenAddress | undefined }
  /** A container, new or changed. With `sockets`, two descriptors come with the line: UDP and TCP (`NameSockets`). */
  | { readonly do: 'container'; readonly number: number; readonly sandbox: NamedSandbox; readonly sockets: boolean }
  | { readonly do: 'forget'; readonly number: number; readonly container: string }
  /** The engine ends: a process without anything to do ends, too, instead of answering. */
  | { readonly do: 'leave'; readonly number: number };

export interface ResolverAnswer {
  /** Of the statement that was worked off. */
  readonly number: number;
  /** In the answer to `begin`: the protocol that the process speaks; none before there were versions. */
  readonly version?: number;
  /** Ports that could not be had. */
  readonly failures?: readonly { readonly port: ProxiedPort; readonly reason: string }[];
  /** Why the host's programs cannot ask. */
  readonly problem?: string;
  /** The container has no sockets here: they have to be made anew. */
  readonly lacking?: string;
}

/** Characters of the longest line: thousands of proxied ports. */
export const longestLine = 8 << 20;
