import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { sendDatagram } from '../sys/socket/notify.ts';

/** Tells whoever manages the service how it goes (sd_notify(3)); without NOTIFY_SOCKET nobody is told. */
export interface ServiceManager {
  ready(): void;
  reloading(): void;
  stopping(): void;
  close(): void;
}

/** What the environment says; the variables are taken out of it, as no child is meant. */
export function findServiceManager(env: NodeJS.ProcessEnv, log: Logger, pid = process.pid): ServiceManager {
  const { NOTIFY_SOCKET: socket = '', WATCHDOG_USEC: period = '', WATCHDOG_PID: watched = '' } = env;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
  const tell = (text: string): void => {
    if (socket === '') return;
    try {
      sendDatagram(socket, text);
    } catch (error) {
      log.warn('the service manager cannot be told', { what: text.split('\n', 1)[0], reason: messageOf(error) });
    }
  };
  const watchdogMs = watched === '' || watched === String(pid) ? Number(period) / 1000 : 0;
  let watchdog: NodeJS.Timeout | undefined;
  return {
    ready() {
      tell(`READY=1\nMAINPID=${pid}\nSTATUS=serving`);
      // From the event loop itself: an engine that hangs says nothing.
      if (watchdogMs > 0) watchdog ??= setInterval(() => tell('WATCHDOG=1'), watchdogMs / 2).unref();
    },
    // The time is CLOCK_MONOTONIC, which the manager compares (Type=notify-reload).
    reloading: () => tell(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => tell('STOPPING=1\nSTATUS=ending; containers go on running'),
    close: () => clearInterval(watchdog),
  };
}
