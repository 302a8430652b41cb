import { readFileSync } from 'node:fs';
import type * as Http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { internal, messageOf } from '../../base/errors.ts';
import type { AuthorizationPlugin, AuthorizationQuestion, Verdict } from './guard.ts';
import { locatePlugin, type PluginAddress, type PluginTls } from './locate.ts';

/** Plugins answer with a verdict and a sentence: more than this is no answer. */
const mostAnswerBytes = 1024 * 1024;
/** Milliseconds between tries to reach a plugin; Docker's. */
const usualPauses: readonly number[] = [1000, 2000, 4000, 8000];

export interface PluginOptions {
  readonly locate?: (name: string) => Promise<PluginAddress>;
  readonly pauses?: readonly number[];
}

/**
 * Finds a plugin and makes its acquaintance: it must say that it implements `authz`. A plugin that cannot be reached is
 * tried for some seconds, at each question too, as it may be starting.
 * @throws EngineError naming the plugin
 */
export async function activatePlugin(name: string, options: PluginOptions = {}): Promise<AuthorizationPlugin> {
  const { locate = locatePlugin, pauses = usualPauses } = options;
  const never = new AbortController().signal;
  let address: PluginAddress;
  try {
    address = await locate(name);
    const answer = await callPatiently(address, 'Plugin.Activate', undefined, pauses, never);
    const implemented = fieldOf(answer, 'Implements');
    if (!Array.isArray(implemented) || !implemented.includes('authz')) {
      throw internal('it does not implement authz');
    }
  } catch (error) {
    throw internal(`cannot use the authorization plugin ${name}: ${messageOf(error)}`, error);
  }
  const ask = async (method: string, question: AuthorizationQuestion, signal: AbortSignal): Promise<Verdict> =>
    verdictOf(await callPatiently(address, method, question, pauses, signal), method);
  return {
    name,
    askRequest: (question, signal) => ask('AuthZPlugin.AuthZReq', question, signal),
    askResponse: (question, signal) => ask('AuthZPlugin.AuthZRes', question, signal),
  };
}

function verdictOf(answer: unknown, method: string): Verdict {
  const allow = fieldOf(answer, 'Allow') ?? false;
  const message = fieldOf(answer, 'Msg') ?? '';
  if (typeof allow !== 'boolean' || typeof message !== 'string') throw internal(`${method}: the answer is no verdict`);
  return { allow, message };
}

/** A field of an answer, whatever its case. */
function fieldOf(answer: unknown, name: string): unknown {
  if (typeof answer !== 'object' || answer === null) return undefined;
  const wanted = name.toLowerCase();
  return Object.entries(answer).find(([key]) => key.toLowerCase() === wanted)?.[1] as unknown;
}

/** An answer came, and it was none: trying again would not help. */
class PluginRefusal extends Error {}

async function callPatiently(
  address: PluginAddress,
  method: string,
  question: AuthorizationQuestion | undefined,
  pauses: readonly number[],
  signal: AbortSignal,
): Promise<unknown> {
  for (let tries = 0; ; tries++) {
    try {
      return await callPlugin(address, method, question, signal);
    } catch (error) {
      const ms = pauses[tries];
      if (error instanceof PluginRefusal || signal.aborted || ms === undefined) throw error;
      await pause(ms, undefined, { signal });
    }
  }
}

async function callPlugin(
  address: PluginAddress,
  method: string,
  question: AuthorizationQuestion | undefined,
  signal: AbortSignal,
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
  const text = await readAnswer(response, method);
  const answer = parsed(text);
  if (response.statusCode !== 200) {
    const reason = fieldOf(answer, 'Err');
    throw new PluginRefusal(`${method}: ${typeof reason === 'string' && reason !== '' ? reason : text.trim()}`);
  }
  if (answer === undefined) throw new PluginRefusal(`${method}: the answer is no JSON`);
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

async function readAnswer(response: Http.IncomingMessage, method: string): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > mostAnswerBytes) throw new PluginRefusal(`${method}: the answer is too long`);
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
