import { delay } from '../../base/async.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { type BackendAddress, syslogAddress } from '../settings/addresses.ts';
import { syslogFacility } from '../settings/syslog.ts';
import { BackendConnection } from './connection.ts';
import { type Datagrams, udpDatagrams, unixDatagrams } from './datagrams.ts';
import type { DriverContext, LogDriver, Message } from './driver.ts';

const severityOf = { stdout: 6, stderr: 3 } as const;
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** Where the host's own syslog listens, in the order in which they are tried. */
const localSockets = ['/dev/log', '/var/run/syslog', '/var/run/log'];

const two = (value: number): string => String(value).padStart(2, '0');

/** `Jan  2 15:04:05`, local time (RFC 3164, section 4.1.2). */
function stamp(date: Date): string {
  const day = String(date.getDate()).padStart(2, ' ');
  return `${months[date.getMonth()]} ${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** RFC 3339 in UTC, with microseconds when wanted (RFC 5424, section 6.2.3). */
function timestamp(timeNs: bigint, micros: boolean): string {
  const seconds = new Date(Number(timeNs / 1_000_000n)).toISOString().slice(0, 19);
  const fraction = micros ? `.${String((timeNs / 1000n) % 1_000_000n).padStart(6, '0')}` : '';
  return `${seconds}${fraction}Z`;
}

/** What stands in front of a line. */
export function syslogHeader(context: DriverContext, message: Message): string {
  const { tag, hostname, pid, settings } = context;
  const priority = syslogFacility(settings.options['syslog-facility']) * 8 + severityOf[message.stream];
  const date = new Date(Number(message.timeNs / 1_000_000n));
  switch (settings.options['syslog-format'] ?? '') {
    case 'rfc3164':
      return `<${priority}>${stamp(date)} ${hostname} ${tag}[${pid}]: `;
    case 'rfc5424':
      return `<${priority}>1 ${timestamp(message.timeNs, false)} ${hostname} ${tag} ${pid} ${tag} - `;
    case 'rfc5424micro':
      return `<${priority}>1 ${timestamp(message.timeNs, true)} ${hostname} ${tag} ${pid} ${tag} - `;
    default:
      return `<${priority}>${stamp(date)} ${tag}[${pid}]: `;
  }
}

/** One message as it goes over the wire; over TLS the formats of RFC 5424 have their length in front (RFC 5425). */
function frame(context: DriverContext, message: Message, secure: boolean): Buffer {
  const bytes = Buffer.concat([Buffer.from(syslogHeader(context, message)), message.line, Buffer.from('\n')]);
  const counted = secure && (context.settings.options['syslog-format'] ?? '').startsWith('rfc5424');
  return counted ? Buffer.concat([Buffer.from(`${bytes.length} `), bytes]) : bytes;
}

/** Sends lines to syslog, over the host's own socket when no address is given. */
export function syslogDriver(context: DriverContext): LogDriver {
  const address = syslogAddress(context.settings.options['syslog-address']);
  if (address === undefined) return localDriver(context);
  if (address.scheme === 'udp') return datagramDriver(context, udpDatagrams(address.host, address.port));
  if (address.scheme === 'unixgram') return datagramDriver(context, unixDatagrams(address.path));
  return streamDriver(context, address);
}

function datagramDriver(context: DriverContext, datagrams: Datagrams): LogDriver {
  return {
    async send(messages, sent, signal) {
      for (const [index, message] of messages.entries()) {
        if (message.line.length > 0) await datagrams.send(frame(context, message, false), signal);
        sent(index + 1);
      }
    },
    close: () => datagrams.close(),
  };
}

function streamDriver(context: DriverContext, address: BackendAddress): LogDriver {
  const { options } = context.settings;
  const secure = address.scheme === 'tcp+tls';
  const connection = new BackendConnection(address, {
    ca: options['syslog-tls-ca-cert'],
    cert: options['syslog-tls-cert'],
    key: options['syslog-tls-key'],
    skipVerify: options['syslog-tls-skip-verify'] !== undefined,
  });
  return {
    async send(messages, sent, signal) {
      const frames = messages.filter(({ line }) => line.length > 0).map((message) => frame(context, message, secure));
      if (frames.length > 0) await connection.write(Buffer.concat(frames), signal);
      sent(messages.length);
    },
    close: () => connection.close(),
  };
}

/** The first of the host's sockets that takes messages, datagrams before streams. */
function localDriver(context: DriverContext): LogDriver {
  let driver: LogDriver | undefined;
  return {
    async send(messages, sent, signal) {
      let failure: unknown;
      let done = 0;
      const count = (more: number) => sent((done = more));
      for (const open of driver === undefined ? localDrivers(context) : [() => driver as LogDriver]) {
        const candidate = open();
        try {
          await candidate.send(messages, count, signal);
          driver = candidate;
          return;
        } catch (error) {
          candidate.close();
          driver = undefined;
          failure = error;
          if (done > 0 || systemCode(error) === undefined) break;
        }
      }
      await delay(0, signal);
      throw failure;
    },
    close: () => driver?.close(),
  };
}

const localDrivers = (context: DriverContext): (() => LogDriver)[] =>
  localSockets.flatMap((path) => [
    () => datagramDriver(context, unixDatagrams(path)),
    () => streamDriver(context, { scheme: 'unix', host: '', port: 0, path }),
  ]);
