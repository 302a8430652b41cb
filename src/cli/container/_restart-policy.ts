import { CliError } from '../errors.ts';
import { cut } from './validate.ts';

/** `--restart NAME[:RETRIES]`; the engine knows the names. */
export function restartPolicy(text: string): { Name: string; MaximumRetryCount: number } {
  const { before, after, found } = cut(text, ':');
  if (found && before === '') {
    throw new CliError('invalid restart policy format: no policy provided before colon');
  }
  if (after !== '' && !/^[+-]?[0-9]+$/.test(after)) {
    throw new CliError('invalid restart policy format: maximum retry count must be an integer');
  }
  return { Name: before, MaximumRetryCount: Number(after) };
}
