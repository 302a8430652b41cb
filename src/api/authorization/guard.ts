import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { EngineError, messageOf } from '../../base/errors.ts';
import { declaresJson, keepBody } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';
import type { OperationId } from '../operations.ts';
import { flatHeaders } from './headers.ts';
import { type Answer, holdAnswer } from './hold.ts';

/**
 * Bodies up to this size are shown to plugins. A larger one is refused: what a plugin has not seen must not be done.
 */
export const mostShownBytes = 1024 * 1024;

/** So long, in milliseconds, plugins may think about an answer. */
const mostAnswerMs = 60_000;

/** What a plugin is told, in the names of Docker's protocol; bodies and certificates are base64. */
export interface AuthorizationQuestion {
  readonly User?: string;
  readonly UserAuthNMethod?: string;
  readonly RequestMethod: string;
  readonly RequestUri: string;
  readonly RequestBody?: string;
  readonly RequestHeaders: Readonly<Record<string, string>>;
  readonly RequestPeerCertificates?: readonly string[];
  readonly ResponseStatusCode?: number;
  readonly ResponseBody?: string;
  readonly ResponseHeaders?: Readonly<Record<string, string>>;
}

export interface Verdict {
  readonly allow: boolean;
  readonly message: string;
}

/** A plugin that can be asked; its methods throw when it gives no verdict. */
export interface AuthorizationPlugin {
  readonly name: string;
  askRequest(question: AuthorizationQuestion, signal: AbortSignal): Promise<Verdict>;
  askResponse(question: AuthorizationQuestion, signal: AbortSignal): Promise<Verdict>;
}

export interface Authorization {
  /**
   * Runs `handle` when all plugins admit the request, and lets its answer out when they admit that too.
   * @throws EngineError `forbidden` in Docker's words for what a plugin denies, `internal` when one cannot be asked.
   */
  guard(exchange: Exchange, operation: OperationId, handle: () => void | Promise<void>): Promise<void>;
}

/** Plugins are asked in this order, and each must admit; the first that does not is the last to be asked. */
export function createAuthorization(plugins: readonly AuthorizationPlugin[]): Authorization {
  return {
    async guard(exchange, operation, handle) {
      const { request, response, signal } = exchange;
      // Of the operations only this one carries a password in its body.
      const isShown = operation !== 'SystemAuth';
      const question = await questionOf(request, isShown);
      await askAll(plugins, 'askRequest', question, signal);
      // The end of a stream is told of although its client is gone.
      const askAboutAnswer = (answer: Answer): Promise<void> => {
        const told = { ...question, ...answerOf(answer, isShown) };
        return askAll(plugins, 'askResponse', told, AbortSignal.timeout(mostAnswerMs));
      };
      const held = holdAnswer(response, askAboutAnswer);
      try {
        await handle();
      } catch (error) {
        held.release();
        // As with Docker, plugins hear of failed requests, and the failure is what the client hears.
        await askAboutAnswer({ status: 0, headers: {} }).catch((problem: unknown) =>
          exchange.log.warn('an authorization plugin was not content with a failed request', {
            reason: messageOf(problem),
          }),
        );
        throw error;
      }
      await held.settled();
    },
  };
}

async function questionOf(request: IncomingMessage, isShown: boolean): Promise<AuthorizationQuestion> {
  const body = isShown && declaresJson(request.headers['content-type']) ? await shownBody(request) : undefined;
  return {
    ...clientOf(request),
    RequestMethod: request.method ?? '',
    RequestUri: request.url ?? '',
    ...(body === undefined || body.length === 0 ? {} : { RequestBody: body.toString('base64') }),
    RequestHeaders: flatHeaders(request.rawHeaders),
  };
}

async function shownBody(request: IncomingMessage): Promise<Buffer> {
  try {
    return await keepBody(request, mostShownBytes);
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'invalid') throw error;
    throw new EngineError(
      'forbidden',
      `authorization denied: the request body is larger than the ${mostShownBytes} bytes that authorization plugins are shown`,
      { cause: error },
    );
  }
}

/** Who a client is: the common name of the certificate that TLS has verified. */
function clientOf(request: IncomingMessage): Partial<AuthorizationQuestion> {
  const socket = request.socket as Partial<TLSSocket>;
  if (socket.authorized !== true) return {};
  const certificate = socket.getPeerX509Certificate?.();
  if (certificate === undefined) return {};
  const name = socket.getPeerCertificate?.().subject.CN;
  const pem = certificate.toString();
  return {
    ...(name === undefined ? {} : { User: String(name) }),
    UserAuthNMethod: 'TLS',
    RequestPeerCertificates: [Buffer.from(pem.endsWith('\n') ? pem : `${pem}\n`).toString('base64')],
  };
}

function answerOf({ status, headers, body }: Answer, isShown: boolean): Partial<AuthorizationQuestion> {
  const isJson = declaresJson(headers['Content-Type']);
  return {
    ...(status === 0 ? {} : { ResponseStatusCode: status }),
    ...(isShown && isJson && body !== undefined && body.length > 0 ? { ResponseBody: body.toString('base64') } : {}),
    ResponseHeaders: headers,
  };
}

async function askAll(
  plugins: readonly AuthorizationPlugin[],
  about: 'askRequest' | 'askResponse',
  question: AuthorizationQuestion,
  signal: AbortSignal,
): Promise<void> {
  for (const plugin of plugins) {
    let verdict: Verdict;
    try {
      verdict = await plugin[about](question, signal);
    } catch (error) {
      throw new EngineError('internal', `plugin ${plugin.name} failed with error: ${messageOf(error)}`, {
        cause: error,
      });
    }
    if (!verdict.allow) {
      throw new EngineError('forbidden', `authorization denied by plugin ${plugin.name}: ${verdict.message}`);
    }
  }
}
