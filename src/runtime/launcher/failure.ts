import { LaunchError } from '../../spec/contract/launch.ts';

/** strerror(3) as C writes it, and as Go (and so Docker's clients, by substring) expect it. */
const errorTexts = [
  'No such file or directory',
  'Permission denied',
  'Operation not permitted',
  'Not a directory',
  'Is a directory',
  'Exec format error',
  'No space left on device',
  'Cannot allocate memory',
  'Device or resource busy',
  'Invalid argument',
  'File exists',
  'Read-only file system',
  'Too many levels of symbolic links',
] as const;

/**
 * The text of a runtime's complaint: crun writes plain text, or logfmt lines with `msg="..."` as runc does. Several
 * lines become one.
 */
function plainText(message: string): string {
  const lines: string[] = [];
  for (const line of message.split('\n')) {
    if (line.trim() === '') continue;
    const start = line.indexOf('msg="');
    lines.push(start < 0 ? line.trim() : quotedText(line.slice(start + 4)));
  }
  return lines.join('; ');
}

/** A Go-quoted string at the start of `text`, unquoted; what is not one stays as it is. */
function quotedText(text: string): string {
  let end = 1;
  while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
  try {
    return JSON.parse(text.slice(0, end + 1)) as string;
  } catch {
    return text;
  }
}

/** crun's words for a command that cannot be run, in runc's words, which clients search for. */
function commandFailure(text: string, command: string): string | undefined {
  const quoted = JSON.stringify(command);
  if (text.startsWith('executable file `')) {
    return command.includes('/')
      ? `exec: ${quoted}: stat ${command}: no such file or directory`
      : `exec: ${quoted}: executable file not found in $PATH`;
  }
  if (text.startsWith('open executable: ')) return `exec: ${quoted}: permission denied`;
  return undefined;
}

const lowerCased = (text: string): string =>
  errorTexts.reduce((result, phrase) => result.replaceAll(phrase, phrase.toLowerCase()), text);

/** runc's own opening words, which the answer begins with anyway. */
const openings = ['runc create failed: ', 'exec failed: ', 'unable to start container process: '];

function withoutOpenings(text: string): string {
  let rest = text;
  for (const opening of openings) if (rest.startsWith(opening)) rest = rest.slice(opening.length);
  return rest;
}

/** The code that `docker run` exits with, by the same substrings that the docker command line looks for. */
function exitCodeOf(text: string): 126 | 127 | 128 {
  if (text.includes('executable file not found') || text.includes('no such file or directory')) return 127;
  return text.includes('permission denied') ? 126 : 128;
}

/** Why a runtime did not create a container, in Docker's words. `command` is the first argument of its process. */
export function createFailure(runtime: string, message: string, command: string): LaunchError {
  const text = reasonOf(message, command);
  return new LaunchError(
    exitCodeOf(text),
    'failed to create task for container: failed to create shim task: OCI runtime create failed: ' +
      `${runtime} create failed: unable to start container process: ${text}: unknown`,
  );
}

/** Why a runtime did not run an exec, in Docker's words. */
export function execFailure(message: string, command: string): LaunchError {
  const text = reasonOf(message, command);
  return new LaunchError(
    exitCodeOf(text),
    `OCI runtime exec failed: exec failed: unable to start container process: ${text}: unknown`,
  );
}

function reasonOf(message: string, command: string): string {
  const plain = plainText(message);
  const text = commandFailure(plain, command) ?? lowerCased(withoutOpenings(plain));
  return text === '' ? 'the runtime failed without a message' : text;
}
