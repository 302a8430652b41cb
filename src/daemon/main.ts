import { EngineError, messageOf } from '../base/errors.ts';
import { createLogger, type Logger } from '../base/log.ts';
import { boot } from './boot.ts';
import { type EngineConfig, loadConfig } from './config.ts';
import { settings } from './flags.ts';

/**
 * Runs an engine until it is told to end (SIGTERM, SIGINT). Containers go on running. Gives the process's exit code: 0
 * after an orderly end, 1 when the engine could not start.
 */
export async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(usage());
    return 0;
  }
  let config: EngineConfig;
  try {
    config = await loadConfig(args);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\nSee 'gantry daemon --help'.\n`);
    return 1;
  }
  const log = createLogger(config.logLevel, (line) => process.stderr.write(`${line}\n`));
  surviveMistakes(log);
  const ending = endSignal(log);
  try {
    const engine = await boot(config, log);
    await ending;
    await engine.close();
    return 0;
  } catch (error) {
    const code = error instanceof EngineError ? error.code : undefined;
    log.error(`the engine cannot run: ${messageOf(error)}`, { code, error });
    return 1;
  }
}

/** Resolves at the first request to end; a second one ends the process at once. */
function endSignal(log: Logger): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(1);
        asked = true;
        log.info('ending; containers go on running', { signal });
        resolve();
      });
    }
  });
}

/**
 * A mistake in handling one request must not take the engine from all others: it is logged, loudly, and the engine goes
 * on. What it left half-made is found by the next boot, as after a crash.
 */
function surviveMistakes(log: Logger): void {
  process.on('uncaughtException', (error) => log.error('uncaught exception', { error }));
  process.on('unhandledRejection', (error) => log.error('unhandled rejection', { error }));
}

function usage(): string {
  const rows = settings.map(({ flag, short, type, help }) => {
    const left = `${short === undefined ? '    ' : `-${short}, `}--${flag}${type === 'switch' ? '' : ` ${type}`}`;
    return `  ${left.padEnd(32)}${help}\n`;
  });
  return `Usage:  gantry daemon [OPTIONS]\n\nThe engine: serves the Docker Engine API, in the foreground.\n\nOptions:\n${rows.join('')}`;
}
