import type { PortBinding } from '../../spec/engine/container.ts';
import { defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { byNatural } from '../format/natural.ts';
import { inspectContainer } from './api.ts';

const address = ({ HostIp, HostPort }: PortBinding): string =>
  HostIp.includes(':') ? `[${HostIp}]:${HostPort}` : `${HostIp}:${HostPort}`;

export const port = defineCommand({
  usage: 'CONTAINER [PRIVATE_PORT[/PROTO]]',
  summary: 'Show which ports of a container are published where',
  aliases: ['gantry container port', 'gantry port'],
  flags: {},
  args: { least: 1, most: 2 },
  async run({ session, args }) {
    const [name = '', wanted] = args;
    const { NetworkSettings } = await inspectContainer(session.client, name);
    const ports = NetworkSettings.Ports ?? {};
    const lines =
      wanted === undefined
        ? Object.entries(ports).flatMap(([from, to]) => (to ?? []).map((binding) => `${from} -> ${address(binding)}`))
        : bindingsOf(ports, wanted, name).map(address);
    if (lines.length > 0) session.out(`${lines.sort(byNatural).join('\n')}\n`);
    return 0;
  },
});

function bindingsOf(ports: Readonly<Record<string, PortBinding[] | null>>, wanted: string, name: string) {
  const [number = '', protocol = ''] = wanted.split('/');
  if (!/^[0-9]+$/.test(number) || Number(number) > 65535) {
    const what = /^[0-9]+$/.test(number) ? 'value out of range' : 'invalid syntax';
    throw new CliError(
      `Error: invalid port (${number}): strconv.ParseUint: parsing ${JSON.stringify(number)}: ${what}`,
    );
  }
  const key = `${number}/${protocol === '' ? 'tcp' : protocol}`;
  const bindings = Object.hasOwn(ports, key) ? ports[key] : undefined;
  if (bindings == null || bindings.length === 0) {
    throw new CliError(`Error: No public port '${wanted}' published for ${name}`);
  }
  return bindings;
}
