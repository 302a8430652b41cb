import { internal } from '../../base/errors.ts';
import type { DriverContext, LogDriver } from './driver.ts';
import { fluentdDriver } from './fluentd.ts';
import { gelfDriver } from './gelf.ts';
import { journaldDriver } from './journald.ts';
import { syslogDriver } from './syslog.ts';

/** The driver that a container's settings name; nothing is connected before its first message. */
export function openDriver(context: DriverContext): LogDriver {
  switch (context.settings.driver) {
    case 'syslog':
      return syslogDriver(context);
    case 'gelf':
      return gelfDriver(context);
    case 'fluentd':
      return fluentdDriver(context);
    case 'journald':
      return journaldDriver(context);
    default:
      throw internal(`the log driver ${context.settings.driver} sends nothing`);
  }
}
