import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ended, must, shellCode } from './run.ts';
import { eventually, type WaitOptions } from './wait.ts';

/** A program that runs in a pseudo terminal of its own, as if somebody sat before it. */
export class Terminal implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #end: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly #folder: string;
  #shown = '';

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child;
    this.#folder = folder;
    this.#end = ended(child);
    child.stdout?.on('data', (chunk: Buffer) => (this.#shown += chunk.toString()));
  }

  /** `script` makes the terminal and passes on what is typed and shown. */
  static async open(command: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Terminal> {
    const folder = await mkdtemp(join(tmpdir(), 'gantry-terminal-'));
    const quoted = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
    const line = `tty > '${folder}/tty'; stty rows 24 cols 80; exec ${quoted}`;
    const child = spawn('script', ['--quiet', '--return', '--command', line, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, TERM: 'xterm', SHELL: '/bin/sh', ...env },
    });
    return new Terminal(child, folder);
  }

  /** Everything shown so far, as the program wrote it. */
  get shown(): string {
    return this.#shown;
  }

  /** Sends keys: `'ls\r'`, `'\x03'` for Ctrl-C, `'\x10\x11'` for Ctrl-P Ctrl-Q. */
  type(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  /** Waits until `pattern` is shown after the first `from` characters; resolves with the place after it. */
  async expect(pattern: RegExp, from = 0, options?: WaitOptions): Promise<number> {
    return eventually(
      `the terminal shows ${pattern}`,
      () => {
        const found = pattern.exec(this.#shown.slice(from));
        return found === null ? undefined : from + found.index + found[0].length;
      },
      options,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}; it shows:\n${this.#shown}`, { cause: error });
    });
  }

  /** Changes the window's size, as dragging its corner does. */
  async resize(rows: number, columns: number): Promise<void> {
    const tty = (await readFile(join(this.#folder, 'tty'), 'utf8')).trim();
    await must('stty', ['-F', tty, 'rows', String(rows), 'cols', String(columns)]);
  }

  /** Resolves with the exit code of the program. */
  async exit(): Promise<number> {
    const { code, signal } = await this.#end;
    return shellCode(code, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#end;
    await rm(this.#folder, { recursive: true });
  }
}
