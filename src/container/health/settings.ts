import type { ProbeTarget } from '../../spec/contract/probe.ts';
import type { ContainerConfig } from '../../spec/engine/container.ts';
import { httpTarget, tcpTarget } from './target.ts';

/** What a container that turns unhealthy gets, beside being called so. */
export type FailureAction = 'none' | 'kill' | 'restart' | 'stop';

/** What a check does: run a command inside the container, or talk to a port in its network. */
export type HealthTest =
  | { readonly kind: 'exec'; readonly argv: readonly string[] }
  | { readonly kind: 'probe'; readonly target: ProbeTarget };

/** A container's health check with Docker's defaults filled in. All times in milliseconds. */
export interface HealthSettings {
  readonly test: HealthTest;
  /** From the end of one check to the beginning of the next, and before the first. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failures that begin before this age of the run do not count as long as no check has succeeded. */
  readonly startPeriodMs: number;
  /** The interval while the start period lasts. */
  readonly startIntervalMs: number;
  /** Failures in a row that make the container unhealthy. */
  readonly retries: number;
  readonly onFailure: FailureAction;
}

const defaultIntervalMs = 30_000;
const defaultTimeoutMs = 30_000;
const defaultStartIntervalMs = 5000;
const defaultRetries = 3;

/** Nanoseconds as Docker writes them; nothing or 0 means the default. */
const milliseconds = (ns: number | undefined, otherwise: number): number =>
  ns === undefined || ns <= 0 ? otherwise : ns / 1e6;

/** The check that a container has; undefined for none, for `NONE`, and for kinds that nobody knows, as with Docker. */
export function healthSettings(config: ContainerConfig): HealthSettings | undefined {
  const health = config.Healthcheck;
  const test = health === undefined ? undefined : healthTest(health.Test ?? [], config);
  if (health === undefined || test === undefined) return undefined;
  return {
    test,
    intervalMs: milliseconds(health.Interval, defaultIntervalMs),
    timeoutMs: milliseconds(health.Timeout, defaultTimeoutMs),
    startPeriodMs: milliseconds(health.StartPeriod, 0),
    startIntervalMs: milliseconds(health.StartInterval, defaultStartIntervalMs),
    retries: health.Retries === undefined || health.Retries <= 0 ? defaultRetries : health.Retries,
    onFailure: health.OnFailure === undefined || health.OnFailure === '' ? 'none' : health.OnFailure,
  };
}

function healthTest(test: readonly string[], config: ContainerConfig): HealthTest | undefined {
  const [kind, ...words] = test;
  switch (kind) {
    case 'CMD':
      return words.length === 0 ? undefined : { kind: 'exec', argv: words };
    case 'CMD-SHELL':
      return { kind: 'exec', argv: [...shellOf(config), ...words] };
    case 'HTTP':
      return { kind: 'probe', target: httpTarget(words) };
    case 'TCP':
      return { kind: 'probe', target: tcpTarget(words) };
    default:
      return undefined;
  }
}

const shellOf = ({ Shell }: ContainerConfig): readonly string[] =>
  Shell === undefined || Shell.length === 0 ? ['/bin/sh', '-c'] : Shell;
