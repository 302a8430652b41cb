import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

/** Whether util-linux's script is there, which gives a program a terminal without a native module. */
export const hasScript = spawnSync('script', ['--version']).status === 0;

const patienceMs = 30_000;

/** A program inside of a terminal of 33 lines and 111 columns, to be typed at. */
export class Terminal implements Disposable {
  readonly #child: ChildProcess;
  readonly #exit: Promise<number | null>;
  #seen = '';
  #read = 0;
  #wake: (() => void) | undefined;

  constructor(command: readonly string[], env: Readonly<Record<string, string | undefined>>) {
    const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
    const line = `stty rows 33 cols 111; ${quoted}; code=$?; stty -a | grep -o -e '-\\?icanon' -e '-\\?opost'; exit $code`;
    this.#child = spawn('script', ['-qec', line, '/dev/null'], { env: { ...env, SHELL: '/bin/sh' } });
    this.#exit = new Promise((resolve) => this.#child.on('close', resolve));
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.#seen += chunk.toString();
      this.#wake?.();
    });
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Waits until `text` appears, after what was waited for before. @throws when it does not */
  async shows(text: string): Promise<void> {
    const deadline = Date.now() + patienceMs;
    for (;;) {
      const at = this.#seen.indexOf(text, this.#read);
      if (at >= 0) {
        this.#read = at + text.length;
        return;
      }
      if (Date.now() > deadline || this.#child.exitCode !== null) {
        throw new Error(`no ${JSON.stringify(text)} in ${JSON.stringify(this.#seen.slice(this.#read))}`);
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, 100);
      await promise;
      clearTimeout(timer);
    }
  }

  /** The exit code, and whether the terminal was left as it was found. */
  async ends(): Promise<{ code: number | null; isRestored: boolean; output: string }> {
    const code = await this.#exit;
    const isRestored = /(?<!-)icanon/.test(this.#seen) && /(?<!-)opost/.test(this.#seen);
    return { code, isRestored, output: this.#seen };
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}
