/** Requests by operation, each noted, so that a test can say what it really asked for. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { operations } from '../../src/api/operations.ts';
import type { ApiAnswer, TestEngine } from '../support/engine.ts';
import { eventually } from '../support/wait.ts';
import type { apiParameters } from './_api-parameters.ts';

export type Operation = keyof typeof apiParameters;

export interface CallOptions {
  readonly id?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Minor API version; 44 when left out. */
  readonly minor?: number;
}

/** A connection that was taken over, or an answer that goes on. */
export interface OpenCall extends Disposable {
  write(text: string): void;
  /** Everything that came, the answer's head included. */
  text(): string;
  says(wanted: string | RegExp): Promise<void>;
  /** Resolves when the engine ended it. */
  readonly closed: Promise<unknown>;
}

export class ApiCalls {
  readonly #engine: TestEngine;
  readonly #seen: (readonly [Operation, readonly string[]])[] = [];

  constructor(engine: TestEngine) {
    this.#engine = engine;
  }

  ask(operation: Operation, options: CallOptions = {}): Promise<ApiAnswer> {
    const [method, path] = this.#note(operation, options);
    return this.#engine.api(method, path, options.body);
  }

  /** `ask` for what must succeed; the answer's JSON. */
  async json<T>(operation: Operation, options: CallOptions = {}): Promise<T> {
    const answer = await this.ask(operation, options);
    assert.ok(answer.status < 300, `${operation}: ${answer.status} ${answer.text}`);
    return answer.text === '' ? (undefined as T) : answer.json<T>();
  }

  open(operation: Operation, options: CallOptions = {}, upgrade = 'tcp'): OpenCall {
    const [method, path] = this.#note(operation, options);
    const body = options.body === undefined ? '' : JSON.stringify(options.body);
    const socket = connect({ path: this.#engine.paths.socket, allowHalfOpen: true });
    const websocket =
      upgrade === 'websocket' ? 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n' : '';
    socket.write(
      `${method} ${path} HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n${websocket}` +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    let text = '';
    socket.setEncoding('latin1').on('data', (more: string) => (text += more));
    socket.on('error', () => undefined);
    return {
      // A frame of a WebSocket is masked; by zeros nothing changes.
      write: (more) =>
        void socket.write(
          upgrade === 'websocket' ? Buffer.from([0x82, 0x80 + more.length, 0, 0, 0, 0, ...Buffer.from(more)]) : more,
        ),
      text: () => text,
      says: async (wanted) => {
        const isThere = () => (typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text));
        await eventually(`${operation} says ${wanted}, not ${text.slice(-300)}`, isThere);
      },
      closed: new Promise((resolve) => socket.once('end', resolve).once('close', resolve)),
      [Symbol.dispose]: () => void socket.destroy(),
    };
  }

  /** @throws AssertionError when no request was made with the parameter. */
  requireAsked(operation: Operation, parameter: string | undefined): void {
    const asked = this.#seen.some(
      ([name, parameters]) => name === operation && (parameter === undefined || parameters.includes(parameter)),
    );
    assert.ok(asked, `nothing asked for ${operation} ${parameter ?? ''}`);
  }

  #note(operation: Operation, { id = '', query = {}, body, minor = 44 }: CallOptions): readonly [string, string] {
    const [method, template] = operations[operation];
    const fields = typeof body === 'object' && body !== null ? Object.keys(body) : [];
    this.#seen.push([operation, [...Object.keys(query), ...fields]]);
    const path = template.replace(/\{[^}]*\}/, id);
    const text = new URLSearchParams(query).toString();
    return [method, `/v1.${minor}${path}${text === '' ? '' : `?${text}`}`];
  }
}
