import { constants, writeSync } from 'node:fs';
import { closeFd, openFd } from '../../sys/ffi/descriptor.ts';
import { systemCode } from '../../sys/ffi/errors.ts';

/** Lines that conmon understands on its control FIFO: a kind and two numbers. */
const RESIZE = 1;
const REOPEN_LOG = 2;

/** Writes to the FIFO `ctl` in a monitor's directory; false when no monitor reads it. */
function tell(directory: string, kind: number, first: number, second: number): boolean {
  let fifo: number | undefined;
  try {
    fifo = openFd(`${directory}/ctl`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    writeSync(fifo, `${kind} ${first} ${second}\n`);
    return true;
  } catch (error) {
    // Not there, without a reader, or left by its reader just now.
    if (['ENOENT', 'ENXIO', 'EPIPE'].includes(systemCode(error) ?? '')) return false;
    throw error;
  } finally {
    if (fifo !== undefined) closeFd(fifo);
  }
}

/** Sets the size of the terminal; false when its monitor is gone. */
export const resizeTerminal = (directory: string, rows: number, columns: number): boolean =>
  tell(directory, RESIZE, rows, columns);

/** Makes the monitor close its log and open it anew by path; false when it is gone. */
export const reopenMonitorLog = (directory: string): boolean => tell(directory, REOPEN_LOG, 0, 0);
