import { EngineError, invalid, messageOf } from '../../base/errors.ts';
import { parseDuration } from '../../base/text/duration.ts';
import { parseBinarySize } from '../../base/text/units.ts';
import type { LoggedContainer, LogSettings } from '../../spec/contract/logs.ts';
import { entryAttributes, logTag } from '../attributes.ts';
import { fluentdAddress, gelfAddress, syslogAddress } from './addresses.ts';
import { limitsOf } from './limits.ts';
import { parseSwitch } from './numbers.ts';
import { syslogFacility, syslogFormats } from './syslog.ts';

type Options = LogSettings['options'];

/** Every driver but `none` takes these: what is told of the container, how its pipe is read, and the local copy. */
const everywhere = ['labels', 'labels-regex', 'env', 'env-regex', 'tag', 'mode', 'max-buffer-size'];
const fileOptions = ['max-size', 'max-file', 'compress'];
const cacheOptions = ['cache-disabled', ...fileOptions.map((name) => `cache-${name}`)];

/** The drivers of this engine, with the options of each. */
const drivers: ReadonlyMap<string, readonly string[]> = new Map([
  [
    'fluentd',
    list(
      'fluentd',
      'address async async-reconnect-interval buffer-limit max-retries request-ack retry-wait',
      'sub-second-precision write-timeout read-timeout',
    ),
  ],
  ['gelf', list('gelf', 'address compression-level compression-type tcp-max-reconnect tcp-reconnect-delay')],
  ['journald', []],
  ['json-file', fileOptions],
  ['local', fileOptions],
  ['none', []],
  ['syslog', list('syslog', 'address facility format tls-ca-cert tls-cert tls-key tls-skip-verify')],
]);

function list(prefix: string, ...names: readonly string[]): string[] {
  return names.flatMap((some) => some.split(' ')).map((name) => `${prefix}-${name}`);
}

/** Names of drivers that Docker has and this engine has not: they need a service of their makers. */
const dockersOnly = new Set(['awslogs', 'etwlogs', 'gcplogs', 'splunk']);

/** Names in order, as `/info` lists them. */
export const logDriverNames: readonly string[] = [...drivers.keys()];

/** Drivers that send entries to somewhere else, besides keeping them. */
export function isRemote(driver: string): boolean {
  return ['fluentd', 'gelf', 'journald', 'syslog'].includes(driver);
}

/** See `ContainerLogs.check`. */
export function checkSettings(settings: LogSettings, container?: LoggedContainer): void {
  const { driver, options } = settings;
  const known = drivers.get(driver);
  if (dockersOnly.has(driver)) {
    throw new EngineError('not-implemented', `the log driver ${driver} is not implemented`);
  }
  if (driver === 'none') return;
  checkMode(options);
  if (known === undefined) {
    const name = driver.slice(0, 100);
    throw invalid(`error looking up logging plugin ${name}: plugin ${JSON.stringify(name)} not found`);
  }
  checkNames(driver, options, [...known, ...everywhere, ...cacheOptions]);
  if (driver === 'syslog') checkSyslog(options);
  if (driver === 'gelf') checkGelf(options);
  if (driver === 'fluentd') checkFluentd(options);
  if (container === undefined) return;
  // What Docker finds out only when the container is started.
  try {
    limitsOf(settings);
    entryAttributes(container, settings);
    logTag(container, options);
  } catch (error) {
    throw invalid(`failed to initialize logging driver: ${messageOf(error)}`, error);
  }
}

function checkMode(options: Options): void {
  const mode = options['mode'] ?? '';
  if (!['', 'blocking', 'non-blocking'].includes(mode)) {
    throw invalid(`logger: logging mode not supported: ${mode.slice(0, 100)}`);
  }
  const size = options['max-buffer-size'];
  if (size !== undefined) {
    if (mode !== 'non-blocking') {
      throw invalid("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    }
    parsed(size, parseBinarySize, 'error parsing option max-buffer-size');
  }
  const disabled = options['cache-disabled'] ?? '';
  if (disabled === '') return;
  try {
    parseSwitch(disabled);
  } catch (error) {
    throw invalid(`invalid value for option cache-disabled: ${disabled.slice(0, 100)}`, error);
  }
}

function checkNames(driver: string, options: Options, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const shown = name.slice(0, 100);
    if (driver === 'local') throw invalid(`unknown log opt '${shown}' for log driver local`);
    const quoted = driver === 'gelf' ? JSON.stringify(shown) : `'${shown}'`;
    throw invalid(`unknown log opt ${quoted} for ${driver} log driver`);
  }
}

function parsed<T>(text: string, parse: (text: string) => T, what: string): T {
  try {
    return parse(text);
  } catch (error) {
    throw invalid(`${what}: ${messageOf(error)}`, error);
  }
}

function checkSyslog(options: Options): void {
  syslogAddress(options['syslog-address']);
  syslogFacility(options['syslog-facility']);
  if (!syslogFormats.includes(options['syslog-format'] ?? '')) throw invalid('Invalid syslog format');
}

function checkGelf(options: Options): void {
  const { scheme } = gelfAddress(options['gelf-address']);
  const unknown = (name: string) =>
    invalid(`unknown value ${JSON.stringify(options[name])} for log opt ${JSON.stringify(name)} for gelf log driver`);
  const level = options['gelf-compression-level'];
  const type = options['gelf-compression-type'];
  if ((level !== undefined || type !== undefined) && scheme !== 'udp') {
    throw invalid('compression is only supported on UDP');
  }
  if (level !== undefined && !/^(-1|[0-9])$/.test(level)) throw unknown('gelf-compression-level');
  if (type !== undefined && !['gzip', 'zlib', 'none'].includes(type)) throw unknown('gelf-compression-type');
  for (const name of ['gelf-tcp-max-reconnect', 'gelf-tcp-reconnect-delay']) {
    const value = options[name];
    if (value === undefined) continue;
    if (scheme !== 'tcp') throw invalid(`${JSON.stringify(name)} is only valid for TCP`);
    if (!/^[0-9]{1,9}$/.test(value)) throw invalid(`${JSON.stringify(name)} must be a positive integer`);
  }
}

function checkFluentd(options: Options): void {
  fluentdAddress(options['fluentd-address']);
  const given = (name: string): string => options[`fluentd-${name}`] ?? '';
  if (given('buffer-limit') !== '') parseBinarySize(given('buffer-limit'));
  if (given('retry-wait') !== '') parseDuration(given('retry-wait'));
  const retries = given('max-retries');
  if (retries !== '' && (!/^[0-9]{1,10}$/.test(retries) || Number(retries) > 0xffff_ffff)) {
    const why = /^[0-9]+$/.test(retries) ? 'value out of range' : 'invalid syntax';
    throw invalid(`strconv.ParseUint: parsing ${JSON.stringify(retries.slice(0, 100))}: ${why}`);
  }
  if (Number(retries) > 0x7fff_ffff) throw invalid('invalid fluentd-max-retries: value out of range');
  for (const name of ['async', 'sub-second-precision', 'request-ack']) if (given(name) !== '') parseSwitch(given(name));
  for (const name of ['write-timeout', 'read-timeout']) {
    if (given(name) === '') continue;
    const what = `invalid value for fluentd-${name}: value must be a duration`;
    if (parsed(given(name), parseDuration, what) < 0n) throw invalid(`${what} that is non-negative`);
  }
  checkReconnectInterval(given('async-reconnect-interval'));
}

function checkReconnectInterval(text: string): void {
  if (text === '') return;
  const what = 'invalid value for fluentd-async-reconnect-interval';
  const interval = parsed(text, parseDuration, what);
  if (interval !== 0n && (interval < 100_000_000n || interval > 10_000_000_000n)) {
    throw invalid(`${what}: value (${JSON.stringify(text)}) must be between 100ms and 10s`);
  }
}
