import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CliError } from '../errors.ts';

/** How the engine is started: a program and what stands before its flags. */
export interface EngineProgram {
  readonly path: string;
  readonly args: readonly string[];
}

/**
 * Finds the engine: `gantryd` beside the compiled command (installed, or build/bin of a checkout), in build/bin when this
 * is the bundle for Node, else its source, run by the Node that runs this command. @throws CliError that says where it was looked for.
 */
export function findEngine(): EngineProgram {
  const beside = join(dirname(realpathSync(process.execPath)), 'gantryd');
  const bundled = join(import.meta.dirname, '../bin/gantryd');
  for (const path of [beside, bundled]) if (existsSync(path)) return { path, args: [] };
  const source = join(import.meta.dirname, '../../bin/gantryd.ts');
  const isNode = process.versions['bun'] === undefined;
  if (isNode && existsSync(source)) {
    return { path: process.execPath, args: ['--disable-warning=ExperimentalWarning', source] };
  }
  throw new CliError(
    `gantry: the engine is not there: ${beside} is missing. Run ./gantry setup in the checkout to build it`,
  );
}
