import { EngineClient } from '../client/client.ts';
import { resolveTarget } from './config.ts';
import type { ConfigFile, Environment, GlobalFlags, Target } from './config.ts';
import type { Output } from './output.ts';

/** Everything a command may use of the world: its output, environment, configuration and the engine. */
export class Session {
  readonly env: Environment;
  readonly output: Output;
  readonly globals: GlobalFlags;
  readonly config: ConfigFile;
  #client: EngineClient | undefined;
  #target: Target | undefined;

  constructor(env: Environment, output: Output, globals: GlobalFlags, config: ConfigFile) {
    this.env = env;
    this.output = output;
    this.globals = globals;
    this.config = config;
  }

  /** Text for standard output. */
  out(text: string): void {
    this.output.text(1, text);
  }

  /** Text for standard error. */
  err(text: string): void {
    this.output.text(2, text);
  }

  get target(): Target {
    this.#target ??= resolveTarget(this.globals, this.env, this.config);
    return this.#target;
  }

  /** The client of the chosen engine; connects at its first request. */
  get client(): EngineClient {
    if (this.#client === undefined) {
      const version = this.env['DOCKER_API_VERSION']?.replace(/^v/, '') ?? '';
      this.#client = new EngineClient({
        endpoint: this.target.endpoint,
        headers: this.config.HttpHeaders ?? {},
        ...(version === '' ? {} : { version }),
      });
    }
    return this.#client;
  }

  /** Drops the connections, so that the process can end. */
  close(): void {
    this.#client?.close();
  }
}
