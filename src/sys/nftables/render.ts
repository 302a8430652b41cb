import {
  type BaseChain,
  type FieldSource,
  type FieldType,
  type FieldValue,
  type MapElement,
  type Match,
  type Rule,
  type Table,
  type TableFamily,
  type Verdict,
  priority,
} from './ruleset.ts';

/** The table in the language of nft(8), as `nft list table` prints it: for logs, tests and people. */
export function renderTable(table: Table): string {
  const lines = [`table ${familyName[table.family]} ${table.name} {`];
  for (const map of table.maps) {
    const isSet = map.value.length === 0;
    const value = isSet ? '' : ` : ${map.value.join(' . ')}`;
    lines.push(`\t${isSet ? 'set' : 'map'} ${map.name} {`, `\t\ttype ${map.key.join(' . ')}${value}`);
    if (map.ranges === true) lines.push('\t\tflags interval');
    if (map.elements.length > 0) {
      const elements = map.elements.map((element) => renderElement(map.key, map.value, element));
      lines.push(`\t\telements = { ${elements.join(',\n\t\t\t     ')} }`);
    }
    lines.push('\t}', '');
  }
  for (const chain of table.chains) lines.push(...renderChain(chain, table.family), '');
  if (lines.at(-1) === '') lines.pop();
  return `${lines.join('\n')}\n}\n`;
}

const familyName = { 4: 'ip', 6: 'ip6' } as const;

const priorityNames: Readonly<Record<number, string>> = {
  [-300]: 'raw',
  [-150]: 'mangle',
  [-100]: 'dstnat',
  0: 'filter',
  100: 'srcnat',
};

function renderChain(chain: BaseChain, family: TableFamily): string[] {
  // On the output hook nft has no name for the priority of destination NAT.
  const name =
    chain.hook === 'output' && chain.priority === priority.destinationNat ? undefined : priorityNames[chain.priority];
  return [
    `\tchain ${chain.name} {`,
    `\t\ttype ${chain.type} hook ${chain.hook} priority ${name ?? chain.priority}; policy accept;`,
    ...chain.rules.map((rule) => `\t\t${renderRule(rule, family)}`),
    '\t}',
  ];
}

/** One rule with its comment. */
function renderRule(rule: Rule, family: TableFamily): string {
  const verdict = verdictText(rule.then, family);
  const when = rule.when.map((match) => matchText(match, family));
  return [...when, verdict, `comment ${JSON.stringify(rule.comment)}`].join(' ');
}

function verdictText(verdict: Verdict, family: TableFamily): string {
  if (verdict.do === 'snat') return `snat to ${addressText(verdict.address)}`;
  if (verdict.do === 'send-again')
    return `dup to ${addressText(verdict.address)} device ${JSON.stringify(verdict.name)} drop`;
  if (verdict.do === 'set-port') return `notrack ${verdict.protocol} ${portName[verdict.of]} set ${verdict.to}`;
  if (verdict.do !== 'dnat') return verdict.do;
  return `dnat ${familyName[family]} to ${keyText(verdict.key, family)} map @${verdict.map}`;
}

const portName = { source: 'sport', destination: 'dport' } as const;

const keyText = (key: readonly FieldSource[], family: TableFamily): string =>
  key.map((source) => sourceText(source, family)).join(' . ');

function sourceText(source: FieldSource, family: TableFamily): string {
  if (source === 'protocol') return 'meta l4proto';
  if (source === 'destination-port') return 'th dport';
  return `${familyName[family]} ${source === 'destination' ? 'daddr' : 'saddr'}`;
}

/** As inet_ntop(3) writes it. */
function addressText(address: Uint8Array): string {
  if (address.length === 4) return address.join('.');
  const groups = Array.from({ length: 8 }, (_, at) =>
    Buffer.from(address)
      .readUInt16BE(at * 2)
      .toString(16),
  );
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

function matchText(match: Match, family: TableFamily): string {
  switch (match.on) {
    case 'in-interface':
      return `iifname ${match.not === true ? '!= ' : ''}${JSON.stringify(match.name)}`;
    case 'out-interface':
      return `oifname ${match.not === true ? '!= ' : ''}${JSON.stringify(match.name)}`;
    case 'source':
    case 'destination': {
      const field = `${familyName[family]} ${match.on === 'source' ? 'saddr' : 'daddr'}`;
      const { address, length } = match.prefix;
      const text = `${addressText(address)}${length === address.length * 8 ? '' : `/${length}`}`;
      return `${field} ${match.not === true ? '!= ' : ''}${text}`;
    }
    case 'protocol':
      return `meta l4proto ${protocolNames[match.number] ?? match.number}`;
    case 'source-port':
    case 'destination-port':
      return `${match.protocol} ${match.on === 'source-port' ? 'sport' : 'dport'} ${match.port}`;
    case 'in-set':
      return `${keyText(match.key, family)} ${match.not === true ? '!= ' : ''}@${match.set}`;
    case 'destination-local':
      return 'fib daddr type local';
    case 'new':
      return 'ct state new';
    case 'mark':
      return `meta mark & ${hex(match.mask)} == ${hex(match.value)}`;
    case 'established':
      return 'ct state established,related';
    case 'over-rate':
      return `limit rate over ${match.rate} bytes/second burst ${match.burst} bytes`;
    case 'destination-rewritten':
      return 'ct status dnat';
  }
}

const renderElement = (key: readonly FieldType[], value: readonly FieldType[], element: MapElement): string =>
  `${renderValues(key, element.key, element.keyEnd)}${value.length === 0 ? '' : ` : ${renderValues(value, element.value)}`}`;

const protocolNames: Readonly<Record<number, string>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  58: 'ipv6-icmp',
  132: 'sctp',
};

const hex = (bits: number): string => `0x${bits.toString(16).padStart(8, '0')}`;

const renderValues = (
  types: readonly FieldType[],
  values: readonly FieldValue[],
  ends: readonly FieldValue[] = values,
): string =>
  values
    .map((value, at) => {
      const end = ends[at] ?? value;
      if (typeof value !== 'number') return rangeText(value, typeof end === 'number' ? value : end);
      return types[at] === 'inet_proto' ? (protocolNames[value] ?? String(value)) : String(value);
    })
    .join(' . ');

/** A prefix where it is one, as nft(8) writes it. */
function rangeText(first: Uint8Array, last: Uint8Array): string {
  const number = (bytes: Uint8Array): bigint => BigInt(`0x${bytes.toHex()}`);
  const size = number(last) - number(first) + 1n;
  if (size === 1n) return addressText(first);
  const free = size.toString(2).length - 1;
  const isPrefix = size === 1n << BigInt(free) && number(first) % size === 0n;
  return isPrefix ? `${addressText(first)}/${first.length * 8 - free}` : `${addressText(first)}-${addressText(last)}`;
}
