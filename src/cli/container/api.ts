import { readText } from '../../client/client.ts';
import { pathPart } from '../../client/target.ts';
import type { EngineClient, QueryValue } from '../../client/client.ts';
import type { ContainerInspect } from '../../spec/engine/container.ts';

type Query = Readonly<Record<string, QueryValue>>;

/** `POST /containers/{id}/{operation}` without a body or an answer. */
export const postContainer = (
  client: EngineClient,
  id: string,
  operation: string,
  query: Query = {},
): Promise<undefined> => client.json('POST', `/containers/${pathPart(id)}/${operation}`, { query });

export const inspectContainer = (client: EngineClient, id: string): Promise<ContainerInspect> =>
  client.json('GET', `/containers/${pathPart(id)}/json`);

/** How a wait ended, as it came over the wire. */
export interface WaitAnswer {
  readonly StatusCode: number;
  readonly Error?: { readonly Message: string } | null;
}

/**
 * Begins to wait and resolves once the engine has taken the request, so that a start that follows cannot be missed;
 * the inner promise ends with the container.
 */
export async function beginWait(
  client: EngineClient,
  id: string,
  condition: 'next-exit' | 'removed' | undefined,
): Promise<{ readonly answer: Promise<WaitAnswer> }> {
  const response = await client.request('POST', `/containers/${pathPart(id)}/wait`, { query: { condition } });
  return { answer: readAnswer(response.body) };
}

const readAnswer = async (body: AsyncIterable<Uint8Array>): Promise<WaitAnswer> =>
  JSON.parse(await readText(body)) as WaitAnswer;
