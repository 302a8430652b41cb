import { invalid } from '../../base/errors.ts';
import { isPredefined, type NetworkRecord } from '../record.ts';
import { networkRateOptions, parseRate } from './rate.ts';
import { totalRateOptions } from '../../spec/engine/network.ts';

/**
 * A network with other options about bandwidth; an empty value takes one away.
 * @throws EngineError `invalid` for networks without bandwidth, other options and malformed values
 */
export function withRates(record: NetworkRecord, options: Readonly<Record<string, string>>): NetworkRecord {
  if (record.driver !== 'bridge') {
    throw invalid(`bandwidth can be limited on bridge networks, and ${record.name} is a ${record.driver} network`);
  }
  const before = record.definition?.options ?? record.rates ?? {};
  const after: Record<string, string> = Object.assign(Object.create(null), before);
  for (const [name, value] of Object.entries(options)) {
    if (!networkRateOptions.includes(name)) {
      const known = networkRateOptions.join(', ');
      throw invalid(`option ${JSON.stringify(name.slice(0, 100))} of a network cannot be changed: only ${known} can`);
    }
    if (value === '') delete after[name];
    else {
      parseRate(name, value);
      after[name] = value;
    }
  }
  const { definition } = record;
  const next =
    definition === undefined
      ? { ...record, rates: after }
      : { ...record, definition: { ...definition, options: after } };
  checkTotal(next);
  return next;
}

/** The queues of a bridge that somebody else made are not the engine's to set. @throws EngineError `invalid` */
export function checkTotal(record: NetworkRecord): void {
  if (isPredefined(record) || record.definition?.ownInterface !== undefined) return;
  const given = Object.values(totalRateOptions).find((name) => Object.hasOwn(record.definition?.options ?? {}, name));
  if (given === undefined || record.driver === 'null') return;
  throw invalid(`${given} cannot be set: the bridge of network ${record.name} was not made by the engine`);
}
