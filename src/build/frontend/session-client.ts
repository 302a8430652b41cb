import { secretOf } from '../session/calls.ts';
import { loginOf } from '../session/logins.ts';
import type { Sessions } from '../session/session.ts';
import { agentSocket, hasAgent } from '../session/ssh.ts';
import type { Agents, Secrets } from '../solve/scope.ts';
import type { Logins } from './base-image.ts';

/** What a build asks its client for when a step wants it. */
export interface SessionClient {
  readonly logins: Logins;
  readonly secrets: Secrets;
  readonly agents: Agents;
}

/** The client behind a session, which is looked for (and waited for) each time that something is asked. */
export function sessionClient(sessions: Sessions, session: string): SessionClient {
  return {
    logins: async (host, signal) => loginOf(await sessions.find(session, signal), host, signal),
    secrets: async (id, signal) => secretOf(await sessions.find(session, signal), id, signal),
    async agents(id, at) {
      const open = await sessions.find(session, at.signal);
      return (await hasAgent(open, id, at.signal)) ? agentSocket(open, id, at) : undefined;
    },
  };
}

/** A build without a session has nobody to ask. */
export const noClient: SessionClient = {
  logins: () => Promise.resolve(undefined),
  secrets: () => Promise.resolve(undefined),
  agents: () => Promise.resolve(undefined),
};
