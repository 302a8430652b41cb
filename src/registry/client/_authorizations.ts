import { type Challenge, parseChallenges } from './challenge.ts';
import { answerChallenge, type Authorization, type RegistryCredentials, type TokenRequest } from './token.ts';
import type { Transport, TransportResponse } from './transport.ts';

/** Milliseconds before its end in which a token is no longer used: a request must arrive with it. */
const spareMs = 10_000;

type Given = Authorization & { readonly challenge: Challenge };
type Asked = Omit<TokenRequest, 'challenge' | 'credentials' | 'scope'>;

/**
 * What answered the challenges of one registry, by the scope that it is good for. Several requests may be refused at
 * once: the first asks for a new authorization, the others wait for it.
 */
export class Authorizations {
  readonly #transport: Transport;
  #credentials: RegistryCredentials | undefined;
  readonly #given = new Map<string, Promise<Given | undefined>>();

  constructor(transport: Transport, credentials: RegistryCredentials | undefined) {
    this.#transport = transport;
    this.#credentials = credentials;
  }

  /** The token server's word for the password, if it has given one. */
  get identityToken(): string | undefined {
    return this.#credentials?.identityToken;
  }

  /** The header for a request; a token that is about to end is renewed first. */
  async header(scope: string, asked: Asked): Promise<string | undefined> {
    const current = this.#given.get(scope);
    const given = await current;
    if (given?.expiresAt === undefined || performance.now() < given.expiresAt - spareMs) return given?.header;
    if (this.#given.get(scope) === current) this.#set(scope, this.#answer([given.challenge], scope, asked));
    return (await this.#given.get(scope))?.header;
  }

  /** The header after `refused`, which a request was sent with; undefined where there is no other one. */
  async renewed(
    response: TransportResponse,
    scope: string,
    refused: string | undefined,
    asked: Asked,
  ): Promise<string | undefined> {
    const current = this.#given.get(scope);
    if ((await current)?.header === refused && this.#given.get(scope) === current) {
      const challenges = parseChallenges(response.headers['www-authenticate'] ?? '');
      this.#set(scope, this.#answer(challenges, scope, asked));
    }
    const header = (await this.#given.get(scope))?.header;
    return header === refused ? undefined : header;
  }

  /** A failure is told to all who wait for it; the next request tries anew. */
  #set(scope: string, renewal: Promise<Given | undefined>): void {
    this.#given.set(scope, renewal);
    renewal.catch(() => {
      if (this.#given.get(scope) === renewal) this.#given.delete(scope);
    });
  }

  async #answer(challenges: readonly Challenge[], scope: string, asked: Asked): Promise<Given | undefined> {
    for (const challenge of challenges) {
      const request = { ...asked, challenge, scope, credentials: this.#credentials };
      const answer = await answerChallenge(this.#transport, request);
      if (answer === undefined) continue;
      const { refreshToken } = answer;
      if (refreshToken !== undefined) this.#keep(refreshToken);
      return { ...answer, challenge };
    }
    return undefined;
  }

  /** Token servers may give a new one each time, and take the one before no more. */
  #keep(identityToken: string): void {
    const { username = '' } = this.#credentials ?? {};
    if (this.#credentials !== undefined) this.#credentials = { username, identityToken };
  }
}
