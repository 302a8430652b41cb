import { defineCommand, exactly } from '../command.ts';
import { flag, listOf, mapOf, types } from '../flags/types.ts';
import { checkLabel, pairs } from '../key-values.ts';
import { consolidate } from './_ipam.ts';
import { rateFlags, rateOptionsOf } from './_rates.ts';
import { wordsOf } from './_words.ts';

export const create = defineCommand({
  usage: '[OPTIONS] NETWORK',
  summary: 'Make a network',
  flags: {
    attachable: flag(types.bool, 'Containers may be connected by hand (swarm)'),
    'aux-address': flag(mapOf(), 'Address that no container gets: NAME=ADDRESS', { shown: 'map[]' }),
    'config-from': flag(types.string, 'Network whose settings it gets'),
    'config-only': flag(types.bool, 'Only keep settings for other networks'),
    driver: flag(types.string, 'Driver: bridge, macvlan, ipvlan', { short: 'd', initial: 'bridge', shown: '"bridge"' }),
    gateway: flag(wordsOf(), "The containers' default route, in a subnet"),
    ingress: flag(types.bool, 'Make the routing mesh of a swarm'),
    internal: flag(types.bool, 'Nothing goes out, nothing comes in'),
    'ip-range': flag(wordsOf(), 'Part of a subnet that containers get addresses from'),
    'ipam-driver': flag(types.string, 'Driver of the addresses', { initial: 'default', shown: '"default"' }),
    'ipam-opt': flag(mapOf(), 'Option of the driver of the addresses: NAME=VALUE', { shown: 'map[]' }),
    ipv4: flag(types.bool, 'IPv4 on or off', { initial: true, shown: 'true' }),
    ipv6: flag(types.bool, 'IPv6 on or off'),
    label: flag(listOf(checkLabel), 'Label: NAME=VALUE'),
    opt: flag(mapOf(), 'Option of the driver: NAME=VALUE', { short: 'o', shown: 'map[]' }),
    scope: flag(types.string, 'Where the network is known'),
    ...rateFlags,
    subnet: flag(wordsOf(), 'Subnet: 10.1.0.0/16'),
  },
  args: exactly(1),
  async run({ session, flags, given, args }) {
    const [name = ''] = args;
    const { Id, Warning } = await session.client.json<{ Id: string; Warning?: string }>('POST', '/networks/create', {
      body: {
        Name: name,
        Driver: flags.driver,
        Scope: flags.scope,
        ...(given.has('ipv4') ? { EnableIPv4: flags.ipv4 } : {}),
        ...(given.has('ipv6') ? { EnableIPv6: flags.ipv6 } : {}),
        IPAM: {
          Driver: flags['ipam-driver'],
          Options: Object.fromEntries(flags['ipam-opt']),
          Config: consolidate({
            subnets: flags.subnet,
            ranges: flags['ip-range'],
            gateways: flags.gateway,
            auxiliary: flags['aux-address'],
          }),
        },
        Internal: flags.internal,
        Attachable: flags.attachable,
        Ingress: flags.ingress,
        ConfigOnly: flags['config-only'],
        ConfigFrom: flags['config-from'] === '' ? null : { Network: flags['config-from'] },
        Options: { ...Object.fromEntries(flags.opt), ...rateOptionsOf(flags, given) },
        Labels: pairs(flags.label),
      },
    });
    if (Warning !== undefined && Warning !== '') session.err(`WARNING: ${Warning}\n`);
    session.out(`${Id}\n`);
    return 0;
  },
});
