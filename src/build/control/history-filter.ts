import { invalid } from '../../base/errors.ts';
import { parseDuration } from '../../base/text/duration.ts';
import type { HistoryRecord } from './history-record.ts';

type Test = (record: HistoryRecord) => boolean;

/** Of all filters of one question. */
const mostText = 64 << 10;

const shape = /^(ref|repository|status|startedAt|completedAt|duration)(==|!=|~=|<=|>=|<|>|=)(.*)$/s;

/**
 * Builds that one of the filters takes: each is a list of conditions, separated by commas (BuildKit, history filters): of
 * `ref`, `repository` and `status` what they are (`==`), are not (`!=`) or have in them (`~=`), of `startedAt`,
 * `completedAt` (a time, or a duration before now) and `duration` what is more or less. @throws EngineError `invalid`
 */
export function historyFilter(filters: readonly string[], now: number): Test {
  if (filters.reduce((sum, filter) => sum + filter.length, 0) > mostText) {
    throw invalid(`filters of the build history have more than ${mostText} characters`);
  }
  const lists = filters
    .filter((filter) => filter !== '')
    .map((filter) => fieldsOf(filter).map((text) => condition(text, now)));
  if (lists.length === 0) return () => true;
  return (record) => lists.some((list) => list.every((test) => test(record)));
}

/** Fields of a line of CSV; quotes may stand around a whole field. */
const fieldsOf = (line: string): string[] =>
  [...line.matchAll(/"((?:[^"]|"")*)"(?:,|$)|([^,]+)/g)].map(([, quoted, plain = '']) =>
    quoted === undefined ? plain : quoted.replaceAll('""', '"'),
  );

function condition(text: string, now: number): Test {
  const [, name = '', operator = '', value = ''] = shape.exec(text) ?? [];
  if (name === '') throw invalid(`invalid filter of the build history: ${JSON.stringify(text.slice(0, 200))}`);
  const isText = ['ref', 'repository', 'status'].includes(name);
  if (isText !== ['==', '=', '!=', '~='].includes(operator)) {
    throw invalid(`invalid filter of the build history: ${name} cannot be compared by ${operator}`);
  }
  if (isText) return textTest(name, operator, value);
  return numberTest(name, operator, name === 'duration' ? milliseconds(value) : timeOf(value, now));
}

function textTest(name: string, operator: string, wanted: string): Test {
  return (record) => {
    const value = textOf(record, name);
    if (operator === '~=') return value.includes(wanted);
    return (value === wanted) === (operator !== '!=');
  };
}

function textOf(record: HistoryRecord, name: string): string {
  if (name === 'ref') return record.ref;
  if (name === 'status') return statusOf(record);
  return record.frontendAttrs?.get('vcs:source') ?? record.frontendAttrs?.get('context') ?? '';
}

const cancelledStatus = 1;

function statusOf({ completedAt, error }: HistoryRecord): string {
  if (completedAt === undefined) return 'running';
  if (error === undefined) return 'completed';
  return error.code === cancelledStatus || (error.message ?? '').includes('context canceled') ? 'canceled' : 'error';
}

function numberTest(name: string, operator: string, wanted: number): Test {
  return (record) => {
    const value = numberOf(record, name);
    if (value === undefined) return false;
    switch (operator) {
      case '<':
        return value < wanted;
      case '<=':
        return value <= wanted;
      case '>':
        return value > wanted;
      default:
        return value >= wanted;
    }
  };
}

/** Milliseconds. */
function numberOf({ createdAt = {}, completedAt }: HistoryRecord, name: string): number | undefined {
  const ms = ({ seconds = 0, nanos = 0 }: NonNullable<HistoryRecord['createdAt']>): number =>
    seconds * 1000 + nanos / 1e6;
  if (name === 'startedAt') return ms(createdAt);
  if (completedAt === undefined) return undefined;
  return name === 'completedAt' ? ms(completedAt) : ms(completedAt) - ms(createdAt);
}

function timeOf(text: string, now: number): number {
  const time = /^\d{4}-/.test(text) ? Date.parse(text) : now - milliseconds(text);
  if (Number.isNaN(time))
    throw invalid(`invalid time ${JSON.stringify(text.slice(0, 100))} in a filter of the build history`);
  return time;
}

const milliseconds = (text: string): number => Number(parseDuration(text)) / 1e6;
