import type { ForeignTable } from '../../sys/nftables/tables.ts';
import type { ReceivedPort } from './obstacles.ts';

/**
 * Commands that let packets pass a chain of another program: in the language of the program whose table it is, so that
 * they last when that program writes its rules anew.
 */

/** Both ways through bridges, at the hook `forward`. */
export function letThrough(table: ForeignTable, chain: string, bridges: readonly string[]): string {
  const each = (command: (bridge: string, way: 'in' | 'out') => string): string =>
    bridges.flatMap((bridge) => [command(bridge, 'in'), command(bridge, 'out')]).join(' && ');
  switch (ownerOf(table, chain)) {
    case 'ufw':
      return each((bridge, way) => `ufw route allow ${way} on ${bridge}`);
    case 'firewalld':
      return reloaded(bridges.map((bridge) => `--zone=trusted --add-interface=${bridge}`));
    case 'iptables': {
      const into = table.chains.has('DOCKER-USER') ? 'DOCKER-USER' : chain;
      return each((bridge, way) => `${programOf(table)} -I ${into} -${way === 'in' ? 'i' : 'o'} ${bridge} -j ACCEPT`);
    }
    case 'nft': {
      const names = bridges.map((bridge) => JSON.stringify(bridge)).join(', ');
      return inserted(
        table,
        chain,
        ['iifname', 'oifname'].map((side) => `${side} { ${names} }`),
      );
    }
  }
}

/** In to ports of the host, at the hook `input`. */
export function letIn(table: ForeignTable, chain: string, ports: readonly ReceivedPort[]): string {
  const loopback = ports.some(({ from }) => from === 'loopback');
  const outside = [
    ...new Map(
      ports.filter(({ from }) => from === 'outside').map((one) => [`${one.port}/${one.protocol}`, one] as const),
    ).entries(),
  ];
  switch (ownerOf(table, chain)) {
    case 'ufw':
      return [...(loopback ? ['ufw allow in on lo'] : []), ...outside.map(([name]) => `ufw allow ${name}`)].join(
        ' && ',
      );
    case 'firewalld':
      return reloaded([
        ...(loopback ? ['--zone=trusted --add-interface=lo'] : []),
        ...outside.map(([name]) => `--add-port=${name}`),
      ]);
    case 'iptables': {
      const conditions = [
        ...(loopback ? ['-i lo'] : []),
        ...outside.map(([, { port, protocol }]) => `-p ${protocol} --dport ${port}`),
      ];
      return conditions.map((condition) => `${programOf(table)} -I ${chain} ${condition} -j ACCEPT`).join(' && ');
    }
    case 'nft': {
      const byProtocol = Map.groupBy(outside, ([, { protocol }]) => protocol);
      return inserted(table, chain, [
        ...(loopback ? ['iifname "lo"'] : []),
        ...[...byProtocol].map(
          ([protocol, list]) => `${protocol} dport { ${list.map(([, { port }]) => port).join(', ')} }`,
        ),
      ]);
    }
  }
}

type Owner = 'ufw' | 'firewalld' | 'iptables' | 'nft';

function ownerOf(table: ForeignTable, chain: string): Owner {
  if ([...table.chains].some((name) => /^ufw6?-/.test(name))) return 'ufw';
  if (table.name === 'firewalld') return 'firewalld';
  const isStandard = table.name === 'filter' && table.family !== 'inet' && (chain === 'FORWARD' || chain === 'INPUT');
  return table.isLegacy || isStandard ? 'iptables' : 'nft';
}

function programOf({ family, isLegacy, name }: ForeignTable): string {
  const program = `${family === 'ip6' ? 'ip6tables' : 'iptables'}${isLegacy ? '-legacy' : ''}`;
  return name === 'filter' ? program : `${program} -t ${quoted(name)}`;
}

const reloaded = (changes: readonly string[]): string =>
  [...changes.map((change) => `firewall-cmd --permanent ${change}`), 'firewall-cmd --reload'].join(' && ');

function inserted({ family, name }: ForeignTable, chain: string, conditions: readonly string[]): string {
  const place = `${family} ${quoted(name)} ${quoted(chain)}`;
  return `nft '${conditions.map((condition) => `insert rule ${place} ${condition} accept`).join('; ')}'`;
}

/** Names of tables and chains are other programs': only harmless ones are shown as they are. */
const quoted = (name: string): string => (/^[A-Za-z0-9_.-]{1,64}$/.test(name) ? name : '<name>');
