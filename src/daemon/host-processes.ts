import { access, constants } from 'node:fs/promises';
import { EngineError } from '../base/errors.ts';
import type { HostProcesses } from '../container/ports.ts';
import { run } from '../sys/process/run.ts';

const places = ['/usr/bin/ps', '/bin/ps'];

async function findPs(): Promise<string> {
  for (const path of places) {
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  throw new EngineError('unavailable', 'exec: "ps": executable file not found in $PATH');
}

/** The processes of the host, as its own ps(1) lists them. */
export const hostProcesses: HostProcesses = {
  async list(args) {
    const { code, signal, stdout, stderr } = await run({
      path: await findPs(),
      argv: ['ps', ...args],
      env: ['PATH=/usr/bin:/bin', 'LC_ALL=C.UTF-8'],
      timeoutMs: 10_000,
      outputLimit: 16 << 20,
    });
    return { code: code ?? 128 + (signal ?? 0), stdout: stdout.toString(), stderr: stderr.toString() };
  },
};
