/** Where a probe goes: a port of an address as a container sees it. */
export interface ProbePlace {
  /** Tried one after another until one takes the connection: `127.0.0.1` and `::1` for `localhost`. */
  readonly addresses: readonly string[];
  readonly port: number;
}

/** What a probe does there. */
export type ProbeTarget =
  /** Connects, no more. */
  | (ProbePlace & { readonly kind: 'tcp' })
  /** One GET; every status of 200 to 399 is good. Redirects are not followed, certificates not checked. */
  | (ProbePlace & {
      readonly kind: 'http';
      readonly secure: boolean;
      /** The value of `Host`, and path with query. */
      readonly authority: string;
      readonly path: string;
    });

export interface ProbeAnswer {
  readonly isGood: boolean;
  /** For people: the status line and the begin of the body, or why there is none. */
  readonly text: string;
}

/** Talks to servers inside containers, without running anything in there. */
export interface NetworkProbes {
  /**
   * One attempt from within the network namespace of a process, against whose pid's reuse its start time stands. What
   * fails is an answer that is not good; `textLimit` are the bytes of its text. @throws cancelled when `signal` aborts.
   */
  probe(
    target: ProbeTarget,
    process: { readonly pid: number; readonly start: number },
    textLimit: number,
    signal: AbortSignal,
  ): Promise<ProbeAnswer>;
}
