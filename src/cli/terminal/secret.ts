import { CliError } from '../errors.ts';

/**
 * Asks for a line at the terminal that is not shown. By a shell: while this process waits for a line it handles no Ctrl-C,
 * and the terminal would stay silent. It asks when the terminal is silent already: who types or pastes at once is not
 * shown either. @throws CliError without a terminal
 */
export function readSecret(question: string): string {
  const script = `exec < /dev/tty || exit 1; trap 'stty echo; exit 130' INT TERM; stty -echo || exit 1; printf %s "$0" > /dev/tty; IFS= read -r line; stty echo; printf %s "$line"`;
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const { status, stdout } = spawnSync('sh', ['-c', script, question], {
    stdio: ['inherit', 'pipe', 'ignore'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new CliError('error: the terminal cannot be kept from showing the password');
  return stdout;
}
