import { EngineError, messageOf } from '../base/errors.ts';
import { type Logger, type LogSink, loggerTo } from '../base/log.ts';
import { shrinkAtRest } from '../sys/process/rest.ts';
import { boot } from './boot.ts';
import { type EngineConfig, loadConfig, type ProgramName } from './config.ts';
import { LiveConfig } from './live.ts';
import { findServiceManager } from './sd-notify.ts';
import type { Setting } from './settings/setting.ts';
import { settings } from './settings/table.ts';
import { engineVersion } from './version.ts';

/**
 * Runs an engine until it is told to end (SIGTERM, SIGINT). Containers go on running. Gives the process's exit code: 0
 * after an orderly end, 1 when the engine could not start.
 */
export async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(usage());
    return 0;
  }
  if (args.some((arg) => arg === '--version' || arg === '-v')) {
    process.stdout.write(`Gantry version ${engineVersion}\n`);
    return 0;
  }
  const program = programName();
  const load = () => loadConfig(args, program);
  let config: EngineConfig;
  try {
    config = await load();
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\nSee 'gantry daemon --help'.\n`);
    return 1;
  }
  if (config.validateOnly) {
    process.stdout.write('configuration OK\n');
    return 0;
  }
  const write = (line: string) => void process.stderr.write(`${line}\n`);
  const sink: LogSink = { least: config.logLevel, format: config.logFormat, write };
  const log = loggerTo(sink);
  const live = new LiveConfig(config);
  live.onChange(({ logLevel }) => {
    sink.least = logLevel;
  });
  for (const note of config.notes) log.warn(note);
  if (config.trust.source !== '') log.info('images are subject to a trust policy', { file: config.trust.source });
  surviveMistakes(log);
  const ending = endSignal(log);
  const manager = findServiceManager(process.env, log);
  try {
    const engine = await boot({ live, load, manager, log });
    manager.ready();
    const endShrinking = shrinkAtRest();
    await ending;
    endShrinking();
    manager.stopping();
    await engine.close();
    return 0;
  } catch (error) {
    const code = error instanceof EngineError ? error.code : undefined;
    log.error(`the engine cannot run: ${messageOf(error)}`, { code, error });
    return 1;
  } finally {
    manager.close();
  }
}

/** The starter of the engine (tools/build.ts) says what it was called. */
function programName(): ProgramName {
  const name = process.env['GANTRY_PROGRAM'];
  delete process.env['GANTRY_PROGRAM'];
  return name === 'dockerd' ? 'dockerd' : 'gantryd';
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
  const rows = settings.filter(({ keyOnly }) => keyOnly !== true).map(usageRow);
  return `Usage:  gantry daemon [OPTIONS]\n\nThe engine: serves the Docker Engine API, in the foreground.\n\nOptions:\n${rows.join('')}`;
}

const argumentNames: Readonly<Record<Setting['type'], string>> = {
  text: ' string',
  switch: '',
  number: ' int',
  bytes: ' bytes',
  list: ' list',
  map: ' map',
  switches: ' map',
  objects: ' value',
};

function usageRow({ flag, short, type, help }: Setting): string {
  const left = `${short === undefined ? '    ' : `-${short}, `}--${flag}${argumentNames[type]}`;
  return `  ${left.padEnd(42)}${help}\n`;
}
