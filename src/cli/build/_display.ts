import type { Session } from '../session.ts';
import { isTerminal } from '../terminal/tty.ts';
import { CliError } from '../errors.ts';
import type { ProgressMode } from './_flags.ts';
import type { ProgressDisplay } from './progress/events.ts';
import { PlainDisplay } from './progress/plain.ts';
import { rawJsonDisplay } from './progress/raw-json.ts';
import { TerminalDisplay } from './progress/tty.ts';

const silent: ProgressDisplay = { take: () => undefined, finish: () => undefined };

/** How progress is shown on standard error. @throws CliError for a terminal that is none */
export function displayFor(session: Session, mode: ProgressMode): ProgressDisplay {
  const write = (text: string): void => session.err(text);
  const name = session.target.contextName;
  switch (mode) {
    case 'none':
    case 'quiet':
      return silent;
    case 'rawjson':
      return rawJsonDisplay(write);
    case 'tty':
      if (!isTerminal(2)) throw new CliError('failed to get console: standard error is no terminal');
      return terminalDisplay(session, name);
    case 'auto':
      if (isTerminal(2)) return terminalDisplay(session, name);
      return new PlainDisplay(write, plainDescription(name));
    case 'plain':
      return new PlainDisplay(write, plainDescription(name));
  }
}

/** Programs that read this output know the line as buildx writes it. */
const plainDescription = (name: string): string => `building with ${JSON.stringify(name)} instance using docker driver`;

function terminalDisplay(session: Session, name: string): ProgressDisplay {
  const size = (): { width: number; height: number } => {
    const [width, height] = process.stderr.getWindowSize();
    return { width: width > 0 ? width : 80, height: height > 0 ? height : 24 };
  };
  const hasColours = (session.env['NO_COLOR'] ?? '') === '';
  return new TerminalDisplay({ size, write: (text) => session.err(text), hasColours }, `docker:${name}`);
}
