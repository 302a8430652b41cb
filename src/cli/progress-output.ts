import type { ProgressDisplay } from './progress.ts';
import type { Session } from './session.ts';
import { isTerminal } from './terminal/tty.ts';

const widthOfNoTerminal = 200;

/** Progress on standard output or error, drawn when that is a terminal. */
export function displayOn(session: Session, fd: 1 | 2): ProgressDisplay {
  const drawn = isTerminal(fd);
  const columns = drawn ? (fd === 1 ? process.stdout : process.stderr).columns : 0;
  return {
    isTerminal: drawn,
    width: columns > 0 ? columns : widthOfNoTerminal,
    write: (text) => session.output.text(fd, text),
  };
}

/** Shows nothing; errors in the stream are still noticed. */
export const quietDisplay: ProgressDisplay = { isTerminal: false, width: widthOfNoTerminal, write: () => undefined };
