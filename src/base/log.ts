/** Severities, in rising order. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, unknown>>;

/** A JSON object a line, or for people: time, level, message and fields. */
export type LogFormat = 'json' | 'text';

/** Structured logging: a constant message plus fields. Secrets (credentials, environment values) are never passed in. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  with(fields: LogFields): Logger;
}

const order: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

const printable = (value: unknown): unknown =>
  value instanceof Error ? { message: value.message, stack: value.stack, cause: printable(value.cause) } : value;

/** Where lines go and which; `least` may change while the logger is in use, for all that came of it. */
export interface LogSink {
  least: LogLevel;
  readonly format: LogFormat;
  /** Takes one line without its newline. */
  readonly write: (line: string) => void;
}

const asText = (value: unknown): string => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
  return /^[A-Za-z0-9_.:/@-]+$/.test(text) ? text : JSON.stringify(text);
};

const renderers: Readonly<Record<LogFormat, (line: Readonly<Record<string, unknown>>) => string>> = {
  json: (line) => JSON.stringify(line),
  text: (line) =>
    Object.entries(line)
      .map(([key, value]) => `${key}=${asText(value)}`)
      .join(' '),
};

/** A logger that hands each line of at least level `least`, as one JSON object without the newline, to `write`. */
export const createLogger = (least: LogLevel, write: (line: string) => void, fields: LogFields = {}): Logger =>
  loggerTo({ least, format: 'json', write }, fields);

/** A logger that writes to `sink`. */
export function loggerTo(sink: LogSink, fields: LogFields = {}): Logger {
  const emit = (level: LogLevel, message: string, more: LogFields = {}): void => {
    if (order[level] < order[sink.least]) return;
    const line: Record<string, unknown> = { time: new Date().toISOString(), level, msg: message };
    for (const [key, value] of Object.entries({ ...fields, ...more })) line[key] = printable(value);
    sink.write(renderers[sink.format](line));
  };
  return {
    debug: (message, more) => emit('debug', message, more),
    info: (message, more) => emit('info', message, more),
    warn: (message, more) => emit('warn', message, more),
    error: (message, more) => emit('error', message, more),
    with: (more) => loggerTo(sink, { ...fields, ...more }),
  };
}

/** Drops everything; for tests and tools. */
export const silentLogger: Logger = createLogger('error', () => undefined);
