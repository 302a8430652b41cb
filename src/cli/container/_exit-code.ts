import { messageOf } from '../../base/errors.ts';
import type { Session } from '../session.ts';
import type { WaitAnswer } from './api.ts';

const engineFailed = 125;

/** The exit code that a wait brings; 125 when the wait itself failed, which is said on stderr. */
export async function exitCodeOf(session: Session, answer: Promise<WaitAnswer>): Promise<number> {
  try {
    const { StatusCode, Error: failure } = await answer;
    if (failure == null) return StatusCode;
    session.err(`Error waiting for container: ${failure.Message}\n`);
  } catch (error) {
    session.err(`error waiting for container: ${messageOf(error)}\n`);
  }
  return engineFailed;
}
