import { createHash } from 'node:crypto';
import { messageOf } from '../../base/errors.ts';
import { decodeJsonStream } from '../../client/stream.ts';
import { formatReference, parseReference, repositoryOf } from '../../spec/reference/reference.ts';
import { registryAuth } from '../image/registry-auth.ts';
import { progressWriter, type WireProgress } from '../progress.ts';
import { quietDisplay } from '../progress-output.ts';
import type { Session } from '../session.ts';
import { emptyEvent, type ProgressDisplay, type Vertex } from './progress/events.ts';

const now = (): NonNullable<Vertex['started']> => {
  const ms = Date.now();
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 };
};

/** Pushes an image of the engine, as a step of the build that made it. @throws CliError with the registry's words */
export async function pushResult(
  session: Session,
  name: string,
  display: ProgressDisplay,
  signal: AbortSignal,
): Promise<void> {
  const title = `pushing ${name} with docker`;
  const vertex: Vertex = {
    digest: `sha256:${createHash('sha256').update(`${title} ${Date.now()}`).digest('hex')}`,
    name: title,
    inputs: [],
    cached: false,
    error: '',
    started: now(),
    completed: undefined,
    progressGroup: undefined,
  };
  display.take({ ...emptyEvent, vertexes: [vertex] });
  try {
    await push(session, name, signal, (line, current, total, isDone) => {
      const timestamp = now();
      const status = { id: line, vertex: vertex.digest, name: '', current, total, timestamp, started: vertex.started };
      display.take({ ...emptyEvent, statuses: [{ ...status, completed: isDone ? timestamp : undefined }] });
    });
    display.take({ ...emptyEvent, vertexes: [{ ...vertex, completed: now() }] });
  } catch (error) {
    display.take({ ...emptyEvent, vertexes: [{ ...vertex, completed: now(), error: messageOf(error) }] });
    throw error;
  }
}

async function push(
  session: Session,
  name: string,
  signal: AbortSignal,
  tell: (line: string, current: number, total: number, isDone: boolean) => void,
): Promise<void> {
  const reference = parseReference(name);
  const response = await session.client.request('POST', `/images/${formatReference(repositoryOf(reference))}/push`, {
    query: { tag: reference.tag },
    headers: { 'X-Registry-Auth': registryAuth(session, reference.domain) },
    signal,
  });
  const check = progressWriter(quietDisplay);
  for await (const message of decodeJsonStream<WireProgress>(response.body)) {
    check(message);
    const { id = '', status = '', progressDetail: { current = 0, total = 0 } = {} } = message;
    if (id === '' || id === reference.tag) continue;
    tell(`pushing layer ${id}`, current, total, ['Pushed', 'Layer already exists'].includes(status));
  }
}
