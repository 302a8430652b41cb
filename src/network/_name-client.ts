import { type ChildProcess, spawn } from 'node:child_process';
import { inNetNamespace } from '../sys/namespace/net.ts';

/** What a client asks: the kinds of `dns.resolve`, and `PTR` for an address. */
export interface Asked {
  readonly name: string;
  readonly type?: 'A' | 'AAAA' | 'PTR' | 'MX' | 'TXT';
}

/** Runs in the client's process. */
function clientMain({ promises }: typeof import('node:dns'), server: string): void {
  const resolver = new promises.Resolver({ timeout: 20_000, tries: 1 });
  resolver.setServers([server]);
  process.on('message', async ({ name, type = 'A' }: Asked) => {
    const asking = type === 'PTR' ? resolver.reverse(name) : resolver.resolve(name, type);
    const answer = await asking.catch((error: { code?: string }) => [`error ${error.code}`]);
    process.send?.((answer as unknown[]).flat().map((one) => (typeof one === 'string' ? one : JSON.stringify(one))));
  });
  process.send?.(['ready']);
}

/** A process in a container's network namespace that asks a name server, 127.0.0.11 if not told otherwise, at a test's command. */
export class NameClient implements Disposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** In the namespace of this descriptor. */
  static async start(namespace: number, server = '127.0.0.11'): Promise<NameClient> {
    const child = inNetNamespace(namespace, () =>
      spawn(process.execPath, ['-e', `(${clientMain.toString()})(require('node:dns'), '${server}')`], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      }),
    );
    const client = new NameClient(child);
    await client.#answer();
    return client;
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Sorted answers as text, or `error ENOTFOUND`, `error ETIMEOUT`, ... */
  async ask(name: string, type: NonNullable<Asked['type']> = 'A'): Promise<readonly string[]> {
    this.#child.send({ name, type } satisfies Asked);
    return (await this.#answer()).toSorted();
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }

  #answer(): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null) => reject(new Error(`the client ended with code ${code}`));
      this.#child.once('exit', onExit);
      this.#child.once('message', (answer: unknown) => {
        this.#child.off('exit', onExit);
        resolve(answer as string[]);
      });
    });
  }
}
