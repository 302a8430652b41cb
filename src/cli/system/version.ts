import { messageOf } from '../../base/errors.ts';
import { alignTabs } from '../../base/text/table.ts';
import { newestApiVersion } from '../../client/client.ts';
import type { VersionView } from '../../spec/engine/system.ts';
import { defineCommand, noArguments } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import { inspectFormatHelp } from '../format/help.ts';
import type { Session } from '../session.ts';
import { gantryVersion } from '../version.ts';

interface ClientVersion {
  readonly Version: string;
  readonly ApiVersion: string;
  readonly DefaultAPIVersion: string;
  /** What runs this command: docker has Go's version here. */
  readonly GoVersion: string;
  readonly GitCommit: string;
  readonly BuildTime: string;
  readonly Os: string;
  readonly Arch: string;
  readonly Context: string;
}

export const version = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Show the versions of command and engine',
  flags: { format: flag(types.string, inspectFormatHelp, { short: 'f' }) },
  args: noArguments,
  async run({ session, flags }) {
    const server = await session.client.json<VersionView>('GET', '/version').catch((error: unknown) => ({ error }));
    const failure = 'error' in server ? messageOf(server.error) : undefined;
    const view = 'error' in server ? undefined : withEngine(server);
    const client = await clientVersion(session);
    if (flags.format === '') session.out(plainText(client, view));
    else {
      const { formatObject } = await import('../format/object.ts');
      session.out(formatObject(flags.format, { Client: apiNames(client), Server: view ?? null }, 64));
    }
    if (failure !== undefined) throw new CliError(failure);
    return 0;
  },
});

/** Templates name the fields as docker's do. */
const apiNames = ({ ApiVersion, ...rest }: ClientVersion) => ({ ...rest, ApiVersion, APIVersion: ApiVersion });

async function clientVersion(session: Session): Promise<ClientVersion> {
  const ApiVersion = await session.client.version().catch(() => newestApiVersion);
  const { bun } = process.versions;
  return {
    Version: gantryVersion,
    ApiVersion,
    DefaultAPIVersion: newestApiVersion,
    GoVersion: bun === undefined ? `node${process.version}` : `bun-v${bun}`,
    GitCommit: '',
    BuildTime: '',
    Os: process.platform,
    Arch: process.arch === 'x64' ? 'amd64' : process.arch,
    Context: session.target.contextName,
  };
}

/** Engines that list no component of their own still have a version. */
function withEngine(server: VersionView): VersionView {
  if ((server.Components ?? []).some(({ Name }) => Name === 'Engine')) return server;
  const { ApiVersion, MinAPIVersion, GitCommit, GoVersion, Os, Arch, BuildTime } = server;
  const Experimental = String(server.Experimental ?? false);
  const Details = { ApiVersion, MinAPIVersion, GitCommit, GoVersion, Os, Arch, BuildTime, Experimental };
  return {
    ...server,
    Components: [...(server.Components ?? []), { Name: 'Engine', Version: server.Version, Details }],
  };
}

function plainText(client: ClientVersion, server: VersionView | undefined): string {
  const downgraded =
    client.ApiVersion === client.DefaultAPIVersion ? '' : ` (downgraded from ${client.DefaultAPIVersion})`;
  let text = `Client:
 Version:\t${client.Version}
 API version:\t${client.ApiVersion}${downgraded}
 Runtime:\t${client.GoVersion}
 OS/Arch:\t${client.Os}/${client.Arch}
 Context:\t${client.Context}`;
  if (server !== undefined) text += serverText(server);
  return alignTabs(`${text}\n`, { minWidth: 20, padding: 1 });
}

function serverText(server: VersionView): string {
  const platform = server.Platform?.Name ?? '';
  let text = `\n\nServer:${platform === '' ? '' : ` ${platform}`}`;
  for (const { Name, Version, Details = {} } of server.Components) {
    text += `\n ${Name}:\n  Version:\t${Version}`;
    if (Name !== 'Engine') {
      for (const key of Object.keys(Details).sort()) text += `\n  ${key}:\t${Details[key]}`;
      continue;
    }
    text += `
  API version:\t${Details['ApiVersion'] ?? ''} (minimum version ${Details['MinAPIVersion'] ?? ''})
  Go version:\t${Details['GoVersion'] ?? ''}
  Git commit:\t${Details['GitCommit'] ?? ''}
  Built:\t${builtText(Details['BuildTime'] ?? '')}
  OS/Arch:\t${Details['Os'] ?? ''}/${Details['Arch'] ?? ''}
  Experimental:\t${Details['Experimental'] ?? ''}`;
  }
  return text;
}

/** RFC 3339 as `Fri May 30 12:07:14 2025`; anything else as it is. */
function builtText(text: string): string {
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}T/.test(text) || Number.isNaN(Date.parse(text))) return text;
  const [weekday, day, month, year, time] = new Date(text).toUTCString().replace(',', '').split(' ');
  return `${weekday} ${month} ${(day ?? '').replace(/^0/, ' ')} ${time} ${year}`;
}
