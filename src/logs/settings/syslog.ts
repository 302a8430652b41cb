import { invalid } from '../../base/errors.ts';

/** The numbers of facilities (RFC 5424, section 6.2.1) by the names that syslog(3) has for them. */
const facilities = [
  'kern user mail daemon auth syslog lpr news uucp cron authpriv ftp',
  '- - - - local0 local1 local2 local3 local4 local5 local6 local7',
].flatMap((names) => names.split(' '));

export const syslogFormats: readonly string[] = ['', 'rfc3164', 'rfc5424', 'rfc5424micro'];

/** The number of a facility, by name or number; `daemon` for none. @throws EngineError `invalid` in Docker's words. */
export function syslogFacility(text: string | undefined): number {
  if (text === undefined || text === '') return facilities.indexOf('daemon');
  const named = text === '-' ? -1 : facilities.indexOf(text);
  if (named >= 0) return named;
  if (/^\+?[0-9]{1,2}$/.test(text) && Number(text) < facilities.length) return Number(text);
  throw invalid('invalid syslog facility');
}
