import type { Logger } from '../../base/log.ts';
import { longestLine, resolverProtocol, type ResolverAnswer } from '../../spec/resolver/control.ts';
import { connectLines, type LineListener, type LineSocket } from '../../sys/socket/line-socket.ts';
import type { Statement } from './link.ts';

/** Answers are numbered by what they answer: the engine's own statements begin with 1. */
const greetingNumber = 0;

export interface GreetingOptions {
  readonly socketPath: string;
  readonly log: Logger;
  /** The first thing to say: the containers that there are. */
  readonly begin: () => Statement;
  /** Whom the connection tells of everything after the greeting. */
  readonly listener: LineListener;
}

/**
 * Connects to the resolver process that listens, and asks which protocol it speaks. One of another version, which an engine
 * before this one has started, is made to end: whoever calls starts one of this version then. Undefined without a process.
 * @throws Error when the other one stays
 */
export async function greetResolver({
  socketPath,
  log,
  begin,
  listener,
}: GreetingOptions): Promise<LineSocket | undefined> {
  const answers = new Answers();
  let told: LineListener = answers;
  const socket = connectLines(socketPath, longestLine, {
    line: (text, descriptors) => told.line(text, descriptors),
    ended: () => told.ended(),
  });
  if (socket === undefined) return undefined;
  const ask = (statement: Statement): Promise<ResolverAnswer | undefined> => {
    socket.send(JSON.stringify({ ...statement, number: greetingNumber }));
    return answers.next();
  };
  const answer = await ask(begin());
  if (answer === undefined) return undefined;
  if (answer.version === resolverProtocol) {
    told = listener;
    return socket.unref();
  }
  log.info('the resolver process is of another version: it is replaced', { version: answer.version ?? 0 });
  // These statements are part of every version of the protocol. With nothing to do it ends instead of answering.
  const nothing: Statement[] = [{ do: 'begin', containers: [] }, { do: 'ports', ports: [] }, { do: 'listen' }];
  for (const statement of nothing) await ask(statement);
  const stays = (await ask({ do: 'leave' })) !== undefined;
  socket.close();
  if (stays) throw new Error('a resolver process of another version does not end');
  return undefined;
}

/** Answers one by one; undefined from when the other side is gone. */
class Answers implements LineListener {
  #next = Promise.withResolvers<ResolverAnswer | undefined>();

  /** The answer to what was said last: to be called once for each. */
  next(): Promise<ResolverAnswer | undefined> {
    return this.#next.promise;
  }

  line(text: string): void {
    const { resolve } = this.#next;
    this.#next = Promise.withResolvers<ResolverAnswer | undefined>();
    resolve(JSON.parse(text) as ResolverAnswer);
  }

  ended(): void {
    this.#next.resolve(undefined);
  }
}
