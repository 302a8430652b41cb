import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from '../../base/log.ts';
import { invalid } from '../../base/errors.ts';
import { type Query, queryFlag, queryText } from '../../spec/decode/query.ts';
import { maxJsonBytes } from '../../spec/decode/json.ts';
import { readBody, readJsonBody } from './body.ts';

/** What the exchange of one request knows from its URL. */
export interface Target {
  readonly minor: number;
  readonly params: ReadonlyMap<string, string>;
  readonly query: Query;
  readonly upgraded: Upgraded | undefined;
}

/**
 * A connection that its client asked to upgrade. `stream` is the socket, or node:http's wrapper of it while the
 * request's body is still on its way; `head` is what came behind the request.
 */
export interface Upgraded {
  readonly stream: Duplex;
  readonly head: Uint8Array;
}

/**
 * One request and its answer, as handlers see it. On an upgraded or taken-over connection `response` stays unused and
 * `hijack` (src/api/hijack) speaks to the socket.
 */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The API version's minor number: 1.`minor`. */
  readonly minor: number;
  readonly query: Query;
  readonly upgraded: Upgraded | undefined;
  readonly log: Logger;
  readonly #params: ReadonlyMap<string, string>;
  #abort: AbortController | undefined;

  constructor(request: IncomingMessage, response: ServerResponse, target: Target, log: Logger) {
    this.request = request;
    this.response = response;
    this.minor = target.minor;
    this.query = target.query;
    this.upgraded = target.upgraded;
    this.log = log;
    this.#params = target.params;
  }

  /** A parameter of the path template. */
  param(name: string): string {
    const value = this.#params.get(name);
    if (value === undefined || value.includes('\0')) throw invalid(`invalid ${name} in the path`);
    return value;
  }

  text(key: string): string | undefined {
    return queryText(this.query, key);
  }

  flag(key: string, absent = false): boolean {
    return queryFlag(this.query, key, absent);
  }

  /** Aborts when the client goes away before the answer is complete. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController();
      this.#abort = abort;
      const { response, request } = this;
      const socket = request.socket;
      const onClose = () => abort.abort(new Error('the client went away'));
      if (socket.destroyed) onClose();
      else {
        socket.once('close', onClose);
        response.once('finish', () => socket.off('close', onClose));
      }
    }
    return this.#abort.signal;
  }

  /** The body as JSON; undefined when there is none. */
  json(): Promise<unknown> {
    return readJsonBody(this.request);
  }

  /**
   * Makes ready for a takeover: a body that nobody wanted is read, since what follows comes only behind it, and the
   * connection's earlier answers are out. A body without a known end is left alone where nothing was upgraded: old
   * clients send stdin that way.
   */
  async settle(): Promise<void> {
    const endless = this.upgraded === undefined && this.request.headers['transfer-encoding'] !== undefined;
    if (!endless && !this.request.readableEnded) await readBody(this.request, maxJsonBytes);
    if (this.response.socket === null) await once(this.response, 'socket', { signal: this.signal });
  }

  /** Answers with a JSON value. */
  send(status: number, value: unknown): void {
    const text = `${JSON.stringify(value)}\n`;
    this.response.writeHead(status, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(text),
    });
    this.response.end(text);
  }

  /** Answers without a body. */
  empty(status: number): void {
    this.response.writeHead(status, status === 200 ? { 'Content-Length': 0 } : {});
    this.response.end();
  }
}

export type Handler = (exchange: Exchange) => void | Promise<void>;
