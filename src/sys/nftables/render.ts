import type { BaseChain, FieldSource, FieldType, FieldValue, MapElement, Match, Rule, Table } from './ruleset.ts';

/** The table in the language of nft(8), as `nft list table` prints it: for logs, tests and people. */
export function renderTable(table: Table): string {
  const lines = [`table ip ${table.name} {`];
  for (const map of table.maps) {
    lines.push(`\tmap ${map.name} {`, `\t\ttype ${map.key.join(' . ')} : ${map.value.join(' . ')}`);
    if (map.elements.length > 0) {
      const elements = map.elements.map((element) => renderElement(map.key, map.value, element));
      lines.push(`\t\telements = { ${elements.join(',\n\t\t\t     ')} }`);
    }
    lines.push('\t}', '');
  }
  for (const chain of table.chains) lines.push(...renderChain(chain), '');
  if (lines.at(-1) === '') lines.pop();
  return `${lines.join('\n')}\n}\n`;
}

const priorityNames: Readonly<Record<number, string>> = { [-300]: 'raw', [-100]: 'dstnat', 0: 'filter', 100: 'srcnat' };

function renderChain(chain: BaseChain): string[] {
  // On the output hook nft has no name for the priority of destination NAT.
  const name = chain.hook === 'output' && chain.priority !== 0 ? undefined : priorityNames[chain.priority];
  return [
    `\tchain ${chain.name} {`,
    `\t\ttype ${chain.type} hook ${chain.hook} priority ${name ?? chain.priority}; policy accept;`,
    ...chain.rules.map((rule) => `\t\t${renderRule(rule)}`),
    '\t}',
  ];
}

/** One rule with its comment. */
function renderRule(rule: Rule): string {
  const { then } = rule;
  const verdict = then.do === 'dnat' ? `dnat ip to ${then.key.map(sourceText).join(' . ')} map @${then.map}` : then.do;
  return [...rule.when.map(matchText), verdict, `comment ${JSON.stringify(rule.comment)}`].join(' ');
}

const sourceTexts: Readonly<Record<FieldSource, string>> = {
  protocol: 'meta l4proto',
  destination: 'ip daddr',
  'destination-port': 'th dport',
};
const sourceText = (source: FieldSource): string => sourceTexts[source];

function matchText(match: Match): string {
  switch (match.on) {
    case 'in-interface':
      return `iifname ${match.not === true ? '!= ' : ''}${JSON.stringify(match.name)}`;
    case 'out-interface':
      return `oifname ${match.not === true ? '!= ' : ''}${JSON.stringify(match.name)}`;
    case 'source':
    case 'destination': {
      const field = match.on === 'source' ? 'ip saddr' : 'ip daddr';
      const length = match.prefix.length === 32 ? '' : `/${match.prefix.length}`;
      return `${field} ${match.not === true ? '!= ' : ''}${match.prefix.address.join('.')}${length}`;
    }
    case 'destination-local':
      return 'fib daddr type local';
    case 'established':
      return 'ct state established,related';
    case 'destination-rewritten':
      return 'ct status dnat';
  }
}

const renderElement = (key: readonly FieldType[], value: readonly FieldType[], element: MapElement): string =>
  `${renderValues(key, element.key)} : ${renderValues(value, element.value)}`;

const protocolNames: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };

const renderValues = (types: readonly FieldType[], values: readonly FieldValue[]): string =>
  values
    .map((value, at) => {
      if (typeof value !== 'number') return value.join('.');
      return types[at] === 'inet_proto' ? (protocolNames[value] ?? String(value)) : String(value);
    })
    .join(' . ');
