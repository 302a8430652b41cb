import { messageOf } from '../../base/errors.ts';
import { binarySize } from '../../base/text/units.ts';
import { ConnectionError } from '../../client/errors.ts';
import type { InfoView } from '../../spec/engine/system.ts';
import { defineCommand, noArguments } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import { inspectFormatHelp } from '../format/help.ts';
import { gantryVersion } from '../version.ts';

export const info = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Show the state and the abilities of the engine',
  aliases: ['gantry system info', 'gantry info'],
  flags: { format: flag(types.string, inspectFormatHelp, { short: 'f' }) },
  args: noArguments,
  async run({ session, flags }) {
    const client = { Version: gantryVersion, Context: session.target.contextName, Debug: false };
    const answer = await session.client.json<InfoView>('GET', '/info').catch((error: unknown) => ({ error }));
    const view = 'error' in answer ? undefined : answer;
    if (flags.format !== '') {
      if ('error' in answer) throw answer.error;
      const { formatObject } = await import('../format/object.ts');
      session.out(formatObject(flags.format, { ...answer, ClientInfo: client }, 64));
      return 0;
    }
    session.out(
      `Client:\n Version:    ${client.Version}\n Context:    ${client.Context}\n Debug Mode: false\n\nServer:\n`,
    );
    if (view !== undefined) {
      session.out(`${serverLines(view).join('\n')}\n\n`);
      for (const warning of view.Warnings ?? []) session.err(`${warning}\n`);
      return 0;
    }
    const { error } = answer as { error: unknown };
    if (error instanceof ConnectionError) throw error;
    session.err(`ERROR: ${messageOf(error)}\n`);
    throw new CliError('errors pretty printing info');
  },
});

/** A line, unless its value is empty. */
const unlessEmpty = (name: string, value: string | undefined): string[] =>
  value === undefined || value === '' ? [] : [` ${name}: ${value}`];

function serverLines(view: InfoView): string[] {
  return [
    ` Containers: ${view.Containers}`,
    `  Running: ${view.ContainersRunning}`,
    `  Paused: ${view.ContainersPaused}`,
    `  Stopped: ${view.ContainersStopped}`,
    ` Images: ${view.Images}`,
    ...unlessEmpty('Server Version', view.ServerVersion),
    ...unlessEmpty('Storage Driver', view.Driver),
    ...(view.DriverStatus ?? []).map(([name, value]) => `  ${name}: ${value}`),
    ...unlessEmpty('Logging Driver', view.LoggingDriver),
    ...unlessEmpty('Cgroup Driver', view.CgroupDriver),
    ...unlessEmpty('Cgroup Version', view.CgroupVersion),
    ...pluginLines(view),
    ...runtimeLines(view),
    ...hostLines(view),
    ...networkLines(view),
  ];
}

function pluginLines(view: InfoView): string[] {
  const { Volume, Network, Authorization, Log } = view.Plugins;
  const swarm = view.Swarm as { readonly LocalNodeState?: string };
  return [
    ' Plugins:',
    `  Volume: ${(Volume ?? []).join(' ')}`,
    `  Network: ${(Network ?? []).join(' ')}`,
    ...((Authorization ?? []).length > 0 ? [`  Authorization: ${(Authorization ?? []).join(' ')}`] : []),
    `  Log: ${(Log ?? []).join(' ')}`,
    ...((view.CDISpecDirs ?? []).length > 0
      ? [' CDI spec directories:', ...view.CDISpecDirs.map((dir) => `  ${dir}`)]
      : []),
    ` Swarm: ${swarm?.LocalNodeState ?? ''}`,
  ];
}

function runtimeLines(view: InfoView): string[] {
  const names = Object.keys(view.Runtimes ?? {});
  const lines = names.length === 0 ? [] : [` Runtimes: ${names.join(' ')}`, ` Default Runtime: ${view.DefaultRuntime}`];
  if (view.OSType !== 'linux') return lines;
  lines.push(
    ` Init Binary: ${view.InitBinary}`,
    ` containerd version: ${view.ContainerdCommit?.ID ?? ''}`,
    ` runc version: ${view.RuncCommit?.ID ?? ''}`,
    ` init version: ${view.InitCommit?.ID ?? ''}`,
  );
  const options = view.SecurityOptions ?? [];
  if (options.length > 0) lines.push(' Security Options:', ...options.flatMap(securityLines));
  return lines;
}

/** `name=seccomp,profile=builtin` on two lines. */
function securityLines(option: string): string[] {
  const parts = option.split(',').map((part) => {
    const at = part.indexOf('=');
    return at < 0 ? (['name', part] as const) : ([part.slice(0, at), part.slice(at + 1)] as const);
  });
  const name = parts.find(([key]) => key === 'name')?.[1] ?? '';
  return [`  ${name}`, ...parts.filter(([key]) => key === 'profile').map(([, value]) => `   Profile: ${value}`)];
}

const hostLines = (view: InfoView): string[] => [
  ...unlessEmpty('Kernel Version', view.KernelVersion),
  ...unlessEmpty('Operating System', view.OperatingSystem),
  ...unlessEmpty('OSType', view.OSType),
  ...unlessEmpty('Architecture', view.Architecture),
  ` CPUs: ${view.NCPU}`,
  ` Total Memory: ${binarySize(view.MemTotal)}`,
  ...unlessEmpty('Name', view.Name),
  ...unlessEmpty('ID', view.ID),
  ` Docker Root Dir: ${view.DockerRootDir}`,
  ` Debug Mode: ${view.Debug}`,
  ...(view.Debug
    ? [
        `  File Descriptors: ${view.NFd}`,
        `  Goroutines: ${view.NGoroutines}`,
        `  System Time: ${view.SystemTime}`,
        `  EventsListeners: ${view.NEventsListener}`,
      ]
    : []),
];

interface RegistryConfig {
  readonly InsecureRegistryCIDRs?: readonly string[] | null;
  readonly IndexConfigs?: Readonly<Record<string, { readonly Name: string; readonly Secure: boolean }>> | null;
  readonly Mirrors?: readonly string[] | null;
}

function networkLines(view: InfoView): string[] {
  const registry = (view.RegistryConfig ?? {}) as RegistryConfig;
  const cidrs = registry.InsecureRegistryCIDRs ?? [];
  const indexes = Object.values(registry.IndexConfigs ?? {});
  const mirrors = registry.Mirrors ?? [];
  const list = (title: string, items: readonly string[]): string[] =>
    items.length === 0 ? [] : [` ${title}:`, ...items.map((item) => `  ${item}`)];
  const insecure = [...indexes.filter(({ Secure }) => !Secure).map(({ Name }) => Name), ...cidrs];
  return [
    ...unlessEmpty('HTTP Proxy', view.HttpProxy),
    ...unlessEmpty('HTTPS Proxy', view.HttpsProxy),
    ...unlessEmpty('No Proxy', view.NoProxy),
    ...list('Labels', view.Labels ?? []),
    ` Experimental: ${view.ExperimentalBuild}`,
    ...(cidrs.length + indexes.length > 0 ? [' Insecure Registries:', ...insecure.map((item) => `  ${item}`)] : []),
    ...list('Registry Mirrors', mirrors),
    ` Live Restore Enabled: ${view.LiveRestoreEnabled}`,
    ...list(
      'Default Address Pools',
      (view.DefaultAddressPools ?? []).map(({ Base, Size }) => ` Base: ${Base}, Size: ${Size}`),
    ),
  ];
}
