import { join } from 'node:path';
import { repository } from './docker-client.ts';

/** How the own command line is run as a program: the compiled one when GANTRY_BIN names it, else its source. */
export const gantryProgram: readonly [string, ...string[]] =
  process.env['GANTRY_BIN'] === undefined
    ? [process.execPath, '--disable-warning=ExperimentalWarning', join(repository, 'src/bin/gantry.ts')]
    : [process.env['GANTRY_BIN']];
