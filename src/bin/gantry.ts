#!/usr/bin/env node
/** The command line's entry point: compiled by Bun for production, run by Node from a checkout. */
import { main } from '../cli/main.ts';
import { processOutput } from '../cli/output.ts';

// No top-level await: Bun's bytecode needs a CommonJS module, which cannot have it.
void main(process.argv.slice(2), process.env, processOutput).then(
  (code) => process.exit(code),
  (error: unknown) => {
    processOutput.text(2, `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  },
);
