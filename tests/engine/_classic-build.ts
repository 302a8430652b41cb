import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { TestEngine } from '../support/engine.ts';

/** One line of the stream of `POST /build`. */
export interface BuildLine {
  readonly stream?: string;
  readonly error?: string;
  readonly id?: string;
  readonly aux?: { readonly ID?: string } | string;
}

/** What `POST /build` answered. */
export interface BuildAnswer {
  readonly status: number;
  /** Of an answer that is no stream: its message. */
  readonly message: string;
  readonly lines: readonly BuildLine[];
}

type Parameters = Readonly<Record<string, string | readonly string[]>>;

/** `POST /build` by hand; the body is to be written by the caller. */
export function openBuild(
  { paths }: TestEngine,
  parameters: Parameters,
  headers: Readonly<Record<string, string>> = {},
): ClientRequest {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) for (const one of [value].flat()) query.append(name, one);
  const path = `/build?${query.toString()}`;
  return request({ socketPath: paths.socket, method: 'POST', path, agent: false, headers });
}

/** The whole answer. */
export function answerOf(call: ClientRequest): Promise<BuildAnswer> {
  return new Promise((resolve, reject) => {
    const take = async (response: IncomingMessage): Promise<void> => {
      const body = await text(response);
      const status = response.statusCode ?? 0;
      if (status !== 200) resolve({ status, message: (JSON.parse(body) as { message: string }).message, lines: [] });
      const lines = status === 200 ? body.split('\n').filter((line) => line.trim() !== '') : [];
      resolve({ status, message: '', lines: lines.map((line) => JSON.parse(line) as BuildLine) });
    };
    call.on('error', reject).on('response', (response) => void take(response).catch(reject));
  });
}

/** `POST /build` of an archive. */
export function postBuild(
  engine: TestEngine,
  parameters: Parameters,
  archive: Uint8Array | string,
  headers: Readonly<Record<string, string>> = {},
): Promise<BuildAnswer> {
  const call = openBuild(engine, parameters, headers);
  const answer = answerOf(call);
  call.end(archive);
  return answer;
}

/** All text that was told, with the error behind it. */
export const textOf = ({ lines, message }: BuildAnswer): string =>
  lines.map(({ stream = '', error }) => stream + (error === undefined ? '' : `error: ${error}\n`)).join('') + message;
