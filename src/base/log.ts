/** Severities, in rising order. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, unknown>>;

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

/** A logger that hands each line of at least level `least`, as one JSON object without the newline, to `write`. */
export function createLogger(least: LogLevel, write: (line: string) => void, fields: LogFields = {}): Logger {
  const emit = (level: LogLevel, message: string, more: LogFields = {}): void => {
    if (order[level] < order[least]) return;
    const line: Record<string, unknown> = { time: new Date().toISOString(), level, msg: message };
    for (const [key, value] of Object.entries({ ...fields, ...more })) line[key] = printable(value);
    write(JSON.stringify(line));
  };
  return {
    debug: (message, more) => emit('debug', message, more),
    info: (message, more) => emit('info', message, more),
    warn: (message, more) => emit('warn', message, more),
    error: (message, more) => emit('error', message, more),
    with: (more) => createLogger(least, write, { ...fields, ...more }),
  };
}

/** Drops everything; for tests and tools. */
export const silentLogger: Logger = createLogger('error', () => undefined);
