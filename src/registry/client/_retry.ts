import { delay, throwIfAborted } from '../../base/async.ts';
import { EngineError } from '../../base/errors.ts';
import { TransportError } from './transport.ts';

export interface Retry {
  /** How often a request is made again that brought nothing. */
  readonly most: number;
  readonly delayMs: number;
}

/** Own patience between two attempts, and how long a registry may have the engine wait. */
const longestDelayMs = 10_000;
const longestAskedMs = 60_000;

/** Statuses that may be other ones a moment later. */
export const isTemporary = (status: number): boolean => status === 408 || status === 429 || status >= 500;

/**
 * Milliseconds to wait before the next attempt: doubled each time, and as long as the registry asked for by
 * `Retry-After` (RFC 9110, 10.2.3: seconds, or a date). Undefined when it asks for more than anybody waits.
 */
export function retryDelay({ delayMs }: Retry, attempt: number, retryAfter: string | undefined): number | undefined {
  const backoff = Math.min(longestDelayMs, delayMs * 2 ** Math.min(attempt, 10) * (0.5 + Math.random() / 2));
  const asked = retryAfter === undefined ? undefined : readRetryAfter(retryAfter);
  if (asked === undefined) return backoff;
  return asked > longestAskedMs ? undefined : Math.max(asked, backoff);
}

function readRetryAfter(text: string): number | undefined {
  const trimmed = text.trim().slice(0, 64);
  if (/^[0-9]{1,10}$/.test(trimmed)) return Number(trimmed) * 1000;
  const date = Date.parse(trimmed);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

/** A failed attempt that carries what the registry said about the next one. */
export class StatusError extends EngineError {
  readonly status: number;
  readonly retryAfter: string | undefined;

  constructor(error: EngineError, status: number, retryAfter: string | undefined) {
    super(error.code, error.message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/**
 * Waits before attempt number `attempt` + 1, or throws `error`: after the last attempt, and when the registry asks for
 * more patience than there is. `told` hears of waits of a second and more. @throws cancelled
 */
export async function pauseOrThrow(
  error: unknown,
  retry: Retry,
  attempt: number,
  signal?: AbortSignal,
  told?: (seconds: number) => void,
): Promise<void> {
  throwIfAborted(signal);
  const retryAfter = error instanceof StatusError ? error.retryAfter : undefined;
  const ms = attempt >= retry.most ? undefined : retryDelay(retry, attempt, retryAfter);
  if (ms === undefined) throw error;
  if (ms >= 1000) told?.(Math.round(ms / 1000));
  await delay(ms, signal);
}

/** Whether what failed may go well a moment later. An address where nobody answers is told at once, as Docker does. */
export const mayHelp = (error: unknown): boolean =>
  error instanceof StatusError
    ? isTemporary(error.status)
    : error instanceof TransportError && !error.unreachable && !error.tls;

/** Tries again what a broken connection or a busy registry prevented. @throws what the last attempt threw; cancelled */
export async function persistently<T>(
  retry: Retry,
  signal: AbortSignal | undefined,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (!mayHelp(error)) throw error;
      await pauseOrThrow(error, retry, failures, signal);
    }
  }
}
