/** What a command reports instead of a result: the words for stderr and the exit code. */
export class CliError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
  }
}

/** Errors of `run`, `create` and other commands that point at their help. */
export const withHelp = (message: string, command: string, exitCode = 125): CliError =>
  new CliError(`gantry: ${message}\n\nRun 'gantry ${command} --help' for more information`, exitCode);
