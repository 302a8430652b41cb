import type { Session } from './session.ts';

/** Asks a question that only `y` or `Y` answers with yes. To say no is no failure: the exit code is 0, as docker's is. */
export async function confirm(session: Session, question: string): Promise<boolean> {
  session.out(`${question} [y/N] `);
  const decoder = new TextDecoder();
  let answer = '';
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
    answer += decoder.decode(chunk, { stream: true });
    if (answer.includes('\n')) break;
  }
  return (answer.split('\n')[0] ?? '').trim().toLowerCase() === 'y';
}
