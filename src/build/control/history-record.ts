import { lockAttributes } from '../lock/lock.ts';
import { looksSecret } from '../plan/looks-secret.ts';
import type { historyRecord } from '../wire/control.ts';
import type { Draft } from '../wire/message.ts';
import type { BuildJob } from './job.ts';

/** What clients are told of a build, under way or over. */
export type HistoryRecord = Draft<typeof historyRecord> & { readonly ref: string };

/** Of one attribute; longer ones are not remembered. */
const mostText = 64 << 10;
const hidden = 'xxxxx';

/**
 * The attributes of a build as they may be remembered: without logins in addresses, without values of build arguments whose
 * names say that they are secret, without the text of a lock, which has a file of its own.
 */
export function shownAttributes(attributes: ReadonlyMap<string, string>): Map<string, string> {
  const shown = new Map<string, string>();
  for (const [name, value] of attributes) {
    if (name === lockAttributes.text || value.length > mostText) continue;
    const argument = name.startsWith('build-arg:') ? name.slice('build-arg:'.length) : '';
    shown.set(name, looksSecret(argument) ? hidden : withoutLogins(value));
  }
  return shown;
}

const withoutLogins = (text: string): string => text.replaceAll(/:\/\/[^/\s@]*@/g, `://${hidden}@`);

/** What there is to say of a build as it is now. */
export function recordOf(job: BuildJob): HistoryRecord {
  const { record, request } = job;
  const exporters = request.exporters.map(({ type, attrs }) => ({ type, attrs: shownAttributes(attrs) }));
  return {
    ref: job.ref,
    frontend: record.frontend || request.frontend,
    frontendAttrs: shownAttributes(record.attributes.size > 0 ? record.attributes : request.frontendAttrs),
    exporters,
    error: job.error,
    createdAt: job.createdAt,
    completedAt: job.completedAt,
    exporterResponse: new Map([...job.response].filter(([name]) => name !== lockAttributes.text)),
    result: {
      attestations: record.attestations,
      results: [...record.results].map(([key, value]) => ({ key: Number(key), value })),
    },
    numCachedSteps: job.counts.cached,
    numTotalSteps: job.counts.total,
    numCompletedSteps: job.counts.completed,
    externalError: record.failure,
    numWarnings: record.warnings,
  };
}
