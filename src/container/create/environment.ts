/** Where programs are looked up when an image does not say. */
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface EnvironmentInput {
  readonly hostname: string;
  readonly tty: boolean;
  /** The account's home directory, the last resort for HOME. */
  readonly home: string;
  /** `Config.Env`: `NAME=value`, or `NAME` alone to take a variable away. */
  readonly container: readonly string[];
  /** `Env` of an exec, by the same rules; it wins. */
  readonly exec?: readonly string[];
}

/** The whole environment of a process: defaults, then the container's variables, then an exec's. */
export function processEnvironment(input: EnvironmentInput): string[] {
  const variables = new Map<string, string>([
    ['PATH', defaultPath],
    ['HOSTNAME', input.hostname],
  ]);
  if (input.tty) variables.set('TERM', 'xterm');
  for (const variable of [...input.container, ...(input.exec ?? [])]) {
    const equals = variable.indexOf('=');
    if (equals === 0 || variable === '') continue;
    if (equals < 0) variables.delete(variable);
    else variables.set(variable.slice(0, equals), variable.slice(equals + 1));
  }
  if (!variables.has('HOME')) variables.set('HOME', input.home);
  return Array.from(variables, ([name, value]) => `${name}=${value}`);
}
