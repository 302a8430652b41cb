import { readFileSync } from 'node:fs';
import type * as Http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { PluginAddress, PluginTls } from './locate.ts';

/** Milliseconds between tries to reach a plugin, which may be starting; Docker's. */
export const usualPauses: readonly number[] = [1000, 2000, 4000, 8000];
/** Plugins answer with a few fields: more than this is no answer, unless a call asks for more. */
const mostAnswerBytes = 1024 * 1024;

export interface CallOptions {
  /** Waits before further tries when the plugin cannot be reached; none: one try. */
  readonly pauses: readonly number[];
  readonly signal: AbortSignal;
  /** For each try; none for ever. What took so long is not tried again. */
  readonly timeoutMs?: number;
  readonly mostBytes?: number;
}

/** An answer came, and it was none, or a refusal in the plugin's words: trying again would not help. */
export class PluginRefusal extends Error {
  /** The plugin itself said no, by a status or in words. */
  readonly inWords: boolean;

  constructor(message: string, options: { readonly inWords: boolean }) {
    super(message);
    this.inWords = options.inWords;
  }
}

/** No answer came in time. */
export class PluginTimeout extends Error {}

/**
 * Asks a plugin by Docker's protocol: a POST to `/METHOD` with JSON, answered by JSON. `locate` is asked before each try, as
 * a plugin that is started anew may be elsewhere.
 * @throws PluginRefusal, PluginTimeout, and errors of `locate` and of the connection after the last try
 */
export async function callPlugin(
  locate: () => Promise<PluginAddress>,
  method: string,
  question: unknown,
  options: CallOptions,
): Promise<unknown> {
  for (let tries = 0; ; tries++) {
    try {
      return await callOnce(await locate(), method, question, options);
    } catch (error) {
      const ms = options.pauses[tries];
      const isFinal = error instanceof PluginRefusal || error instanceof PluginTimeout || options.signal.aborted;
      if (isFinal || ms === undefined) throw error;
      await pause(ms, undefined, { signal: options.signal });
    }
  }
}

/** A field of an answer, whatever its case. */
export function fieldOf(answer: unknown, name: string): unknown {
  if (typeof answer !== 'object' || answer === null) return undefined;
  const wanted = name.toLowerCase();
  return Object.entries(answer).find(([key]) => key.toLowerCase() === wanted)?.[1] as unknown;
}

async function callOnce(
  address: PluginAddress,
  method: string,
  question: unknown,
  { signal, timeoutMs, mostBytes = mostAnswerBytes }: CallOptions,
): Promise<unknown> {
  const limit = new AbortController();
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => limit.abort(), timeoutMs);
  try {
    return await exchange(address, method, question, AbortSignal.any([signal, limit.signal]), mostBytes);
  } catch (error) {
    if (!limit.signal.aborted || signal.aborted) throw error;
    throw new PluginTimeout(`${method}: the plugin did not answer within ${(timeoutMs ?? 0) / 1000} seconds`);
  } finally {
    clearTimeout(timer);
  }
}

async function exchange(
  address: PluginAddress,
  method: string,
  question: unknown,
  signal: AbortSignal,
  mostBytes: number,
): Promise<unknown> {
  const body = question === undefined ? '' : `${JSON.stringify(question)}\n`;
  const { promise, resolve, reject } = Promise.withResolvers<Http.IncomingMessage>();
  const request = openRequest(address, {
    method: 'POST',
    path: `/${method}`,
    agent: false,
    signal,
    headers: { Accept: 'application/vnd.docker.plugins.v1.2+json', 'Content-Length': Buffer.byteLength(body) },
  });
  request.on('error', reject);
  request.on('response', resolve);
  request.end(body);
  const response = await promise;
  const text = await readAnswer(response, method, mostBytes);
  const answer = parsed(text);
  if (response.statusCode !== 200) {
    const reason = fieldOf(answer, 'Err');
    const words = typeof reason === 'string' && reason !== '' ? reason : text.trim();
    throw new PluginRefusal(`${method}: ${words.slice(0, 4096)}`, { inWords: true });
  }
  if (answer === undefined) throw new PluginRefusal(`${method}: the answer is no JSON`, { inWords: false });
  return answer;
}

function openRequest(address: PluginAddress, options: Http.RequestOptions): Http.ClientRequest {
  if (address.kind === 'unix') {
    return process.getBuiltinModule('node:http').request({ ...options, socketPath: address.path });
  }
  const { host, port, tls } = address;
  if (tls === undefined) return process.getBuiltinModule('node:http').request({ ...options, host, port });
  return process.getBuiltinModule('node:https').request({ ...options, host, port, ...tlsOptions(tls) });
}

const tlsOptions = ({ insecure, ca, cert, key }: PluginTls) => ({
  rejectUnauthorized: !insecure,
  ...(ca === undefined ? {} : { ca: readFileSync(ca) }),
  ...(cert === undefined ? {} : { cert: readFileSync(cert) }),
  ...(key === undefined ? {} : { key: readFileSync(key) }),
});

async function readAnswer(response: Http.IncomingMessage, method: string, mostBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > mostBytes) throw new PluginRefusal(`${method}: the answer is too long`, { inWords: false });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length).toString();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
