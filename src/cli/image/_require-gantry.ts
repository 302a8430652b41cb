import { CliError } from '../errors.ts';
import type { Session } from '../session.ts';

/** Another engine passes over parameters that it does not know. @throws CliError with `message` */
export async function requireGantry(session: Session, message: string): Promise<void> {
  const { Platform } = await session.client.json<{ readonly Platform?: { readonly Name?: string } }>('GET', '/version');
  if (Platform?.Name !== 'Gantry') throw new CliError(message);
}
