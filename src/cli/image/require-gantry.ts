import type { EngineClient } from '../../client/client.ts';
import { CliError } from '../errors.ts';
import type { Session } from '../session.ts';

/** Whether the engine is Gantry: another one passes over parameters that it does not know. */
export async function isGantry(client: EngineClient): Promise<boolean> {
  const { Platform } = await client.json<{ readonly Platform?: { readonly Name?: string } }>('GET', '/version');
  return Platform?.Name === 'Gantry';
}

/** @throws CliError with `message` when the engine is another one */
export async function requireGantry(session: Session, message: string): Promise<void> {
  if (!(await isGantry(session.client))) throw new CliError(message);
}
