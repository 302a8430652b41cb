import { pathPart } from '../../client/target.ts';
import { emptyEndpointSettings } from '../../spec/engine/empty-config.ts';
import { defineCommand, exactly } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, listOf, types } from '../flags/types.ts';
import { checkMac } from '../mac-address.ts';
import { wordsOf } from './_words.ts';

function checkLink(text: string): string {
  if (text === '' || text.split(':').length > 2) throw new CliError(`bad format for links: ${text}`);
  return text;
}

export const connect = defineCommand({
  usage: '[OPTIONS] NETWORK CONTAINER',
  summary: 'Connect a container to a network',
  flags: {
    alias: flag(wordsOf(), 'Another name of the container on this network'),
    'driver-opt': flag(wordsOf(), 'Option of the endpoint: NAME=VALUE'),
    'gw-priority': flag(types.int, 'The endpoint with the highest one is the way out'),
    ip: flag(types.string, 'IPv4 address'),
    ip6: flag(types.string, 'IPv6 address'),
    link: flag(listOf(checkLink), 'Another container under an alias: CONTAINER:ALIAS'),
    'link-local-ip': flag(wordsOf(), 'Address of the link itself'),
    'mac-address': flag(types.string, 'Hardware address (API 1.54)'),
  },
  args: exactly(2),
  async run({ session, flags, args }) {
    const [network = '', container = ''] = args;
    const mac = flags['mac-address'];
    if (mac !== '') checkMac(mac);
    const linkLocal = flags['link-local-ip'];
    await session.client.json('POST', `/networks/${pathPart(network)}/connect`, {
      body: {
        Container: container,
        EndpointConfig: {
          ...emptyEndpointSettings(),
          IPAMConfig: {
            ...(flags.ip === '' ? {} : { IPv4Address: flags.ip }),
            ...(flags.ip6 === '' ? {} : { IPv6Address: flags.ip6 }),
            ...(linkLocal.length === 0 ? {} : { LinkLocalIPs: linkLocal }),
          },
          Links: flags.link.length === 0 ? null : flags.link,
          Aliases: flags.alias,
          MacAddress: mac,
          DriverOpts: driverOptions(flags['driver-opt']),
          GwPriority: flags['gw-priority'],
        },
      },
    });
    return 0;
  },
});

function driverOptions(texts: readonly string[]): Record<string, string> {
  const options: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const text of texts) {
    const at = text.indexOf('=');
    const name = text.slice(0, Math.max(0, at)).trim();
    if (name === '') throw new CliError('invalid key/value pair format in driver options');
    options[name] = text.slice(at + 1).trim();
  }
  return options;
}
