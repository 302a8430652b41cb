import type { GlobalFlags } from './config.ts';
import { parseFlags } from './flags/parse.ts';
import { flag, listOf, types } from './flags/types.ts';

/** The flags that stand before the command. */
export const globalFlags = {
  config: flag(types.string, 'Folder of the client configuration', { shown: '"~/.docker"' }),
  context: flag(
    types.string,
    'Name of the context whose engine to use (overrides DOCKER_HOST and the current context)',
    {
      short: 'c',
    },
  ),
  debug: flag(types.bool, 'Say more about what goes wrong', { short: 'D' }),
  host: flag(listOf(), 'Engine to connect to: unix://PATH or tcp://HOST:PORT', { short: 'H' }),
  'log-level': flag(types.string, 'Least severity of messages ("debug", "info", "warn", "error", "fatal")', {
    short: 'l',
    initial: 'info',
    shown: '"info"',
  }),
  tls: flag(types.bool, 'Use TLS; implied by --tlsverify'),
  tlscacert: flag(types.string, 'Trust only certificates signed by this CA', { shown: '"~/.docker/ca.pem"' }),
  tlscert: flag(types.string, 'Certificate to show to the engine', { shown: '"~/.docker/cert.pem"' }),
  tlskey: flag(types.string, 'Key of that certificate', { shown: '"~/.docker/key.pem"' }),
  tlsverify: flag(types.bool, "Use TLS and check the engine's certificate"),
  version: flag(types.bool, 'Print the version and end', { short: 'v' }),
};

export interface CommandLine {
  readonly globals: GlobalFlags;
  readonly wantsVersion: boolean;
  /** The command's name and all that follows. */
  readonly rest: string[];
}

/** Splits off the global flags. @throws FlagError, HelpWanted */
export function parseGlobals(args: readonly string[]): CommandLine {
  const { values, args: rest } = parseFlags(globalFlags, args, false);
  const { config, context, host, tls, tlsverify, tlscacert, tlscert, tlskey } = values;
  return {
    globals: { config, context, hosts: host, tls, tlsverify, tlscacert, tlscert, tlskey },
    wantsVersion: values.version,
    rest,
  };
}
