import { delay } from '../../base/async.ts';
import type { Scope } from '../../base/scope.ts';
import { main } from '../main.ts';
import type { Output } from '../output.ts';
import type { Session } from '../session.ts';

const patienceMs = 5_000;

interface Step {
  /** The words of a gantry command. */
  readonly args: readonly string[];
  /** The command to show, when it is not the docker command of the same words. */
  readonly shown?: string;
  /** What takes the step back, when the tour does not get as far as to do so itself. */
  readonly undo?: { readonly scope: Scope; readonly args: readonly string[] };
}

/** Walks through commands of this program, showing each with what docker would be told, and its output. */
export class Tour {
  readonly #session: Session;
  readonly #interrupted: Promise<never>;
  #host = '';
  #number = 0;

  constructor(session: Session, interrupted: Promise<never>) {
    this.#session = session;
    this.#interrupted = interrupted;
  }

  useEngine(host: string): void {
    this.#host = host;
  }

  say(text: string): void {
    this.#session.out(`${text}\n`);
  }

  /** The headline of a step. */
  announce(what: string, command: string): void {
    this.#number++;
    this.say(`\n${this.#number}. ${what}\n   $ ${command}`);
  }

  /** Output, set off from the tour's own words. */
  show(text: string): void {
    for (const line of text.split('\n')) if (line !== '') this.say(`   ${line}`);
  }

  unlessInterrupted<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#interrupted]);
  }

  /** Runs a command and shows it; resolves with its output. @throws when the command fails, with its words */
  async step(what: string, { args, shown, undo }: Step): Promise<string> {
    this.announce(what, shown ?? `docker ${args.join(' ')}`);
    undo?.scope.defer(async () => void (await this.#run(undo.args)));
    const running = this.#run(args);
    const { code, out, err } = await this.unlessInterrupted(running).catch(async (error: unknown) => {
      // What is under way is let end, within limits: then it can be taken back.
      await Promise.race([running.catch(() => undefined), delay(patienceMs)]);
      throw error;
    });
    this.show(out);
    if (code === 0) {
      this.show(err);
      return out;
    }
    throw new Error(err.trim() === '' ? `gantry ${args.join(' ')} ended with ${code}` : err.trim());
  }

  async #run(args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
    const texts = { 1: '', 2: '' };
    const decoder = new TextDecoder();
    const output: Output = {
      text: (fd, text) => void (texts[fd] += text),
      bytes: async (fd, bytes) => void (texts[fd] += decoder.decode(bytes)),
    };
    const { env } = this.#session;
    const code = await main(['--host', this.#host, ...args], { ...env, DOCKER_CONTEXT: '' }, output);
    return { code, out: texts[1], err: texts[2] };
  }
}
