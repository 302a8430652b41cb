import { authConfig } from '../registry/auth-config.ts';
import { serverKey } from '../registry/server.ts';
import type { Session } from '../session.ts';

/** The login for a registry, as the header carries it: JSON in base64url. A helper that fails is told, and no more. */
export function registryAuth(session: Session, domain: string): string {
  const server = serverKey(domain);
  return Buffer.from(JSON.stringify(authConfig(session, server) ?? {})).toString('base64url');
}
