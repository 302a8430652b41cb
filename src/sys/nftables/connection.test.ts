import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { createNetNamespace, closeNetNamespace, inNetNamespace } from '../namespace/net.ts';
import { Nftables } from './connection.ts';
import { renderTable } from './render.ts';
import { type Match, type NatMap, priority, type Rule, type Table } from './ruleset.ts';

const skip =
  process.getuid?.() !== 0
    ? 'netfilter needs root'
    : existsSync('/usr/sbin/nft')
      ? false
      : 'nft, the judge of this test, is not installed';

const map: NatMap = {
  name: 'targets',
  key: ['inet_proto', 'ipv4_addr', 'inet_service'],
  value: ['ipv4_addr', 'inet_service'],
};
const element = (port: number) => ({
  key: [6, Uint8Array.of(127, 0, 0, 1), port],
  value: [Uint8Array.of(172, 17, 0, 2), 80],
});
const prefix = (length: number) => ({ address: Uint8Array.of(10, 128, 0, 0), length });
const prefix6 = Uint8Array.from({ length: 16 }, (_, at) => (at === 0 ? 0xfd : 0));
const rule = (then: Rule['then'], ...when: Match[]): Rule => ({ when, then, comment: 'why "so"'.replaceAll('"', '') });

/** Every expression that there is. */
const table: Table = {
  name: 'test-table',
  family: 4,
  maps: [
    { ...map, elements: [element(8080)] },
    { name: 'open', key: map.key, value: [], elements: [{ key: element(53).key, value: [] }] },
    {
      name: 'admitted',
      key: map.key,
      value: [],
      ranges: true,
      elements: [
        { key: [6, Uint8Array.of(10, 0, 0, 0), 80], keyEnd: [6, Uint8Array.of(10, 255, 255, 255), 80], value: [] },
      ],
    },
  ],
  chains: [
    {
      name: 'first',
      type: 'filter',
      hook: 'prerouting',
      priority: priority.raw,
      rules: [
        rule({ do: 'drop' }, { on: 'in-interface', name: 'a-name-of-15-ch' }, { on: 'destination', prefix: prefix(9) }),
        rule(
          { do: 'accept' },
          { on: 'in-interface', not: true, name: 'lo' },
          { on: 'source', not: true, prefix: prefix(32) },
        ),
        rule({ do: 'accept' }, { on: 'protocol', number: 1 }),
        rule({ do: 'accept' }, { on: 'in-set', key: ['protocol', 'destination', 'destination-port'], set: 'open' }),
        rule(
          { do: 'drop' },
          { on: 'new' },
          { on: 'in-set', not: true, key: ['protocol', 'source', 'destination-port'], set: 'admitted' },
        ),
      ],
    },
    {
      name: 'second',
      type: 'nat',
      hook: 'output',
      priority: priority.destinationNat,
      rules: [
        rule(
          { do: 'dnat', key: ['protocol', 'destination', 'destination-port'], map: 'targets' },
          { on: 'destination-local' },
        ),
        rule({ do: 'return' }),
      ],
    },
    {
      name: 'ports',
      type: 'filter',
      hook: 'output',
      priority: priority.raw,
      rules: [
        rule(
          { do: 'set-port', protocol: 'udp', of: 'destination', to: 41_001 },
          { on: 'destination', prefix: prefix(32) },
          { on: 'destination-port', protocol: 'udp', port: 53 },
        ),
        rule(
          { do: 'set-port', protocol: 'tcp', of: 'source', to: 53 },
          { on: 'source-port', protocol: 'tcp', port: 258 },
        ),
      ],
    },
    {
      name: 'third',
      type: 'nat',
      hook: 'postrouting',
      priority: priority.sourceNat,
      rules: [
        rule({ do: 'snat', address: Uint8Array.of(192, 0, 2, 1) }, { on: 'source', prefix: prefix(24) }),
        rule({ do: 'masquerade' }, { on: 'out-interface', not: true, name: 'br0' }, { on: 'destination-rewritten' }),
      ],
    },
    {
      name: 'fourth',
      type: 'filter',
      hook: 'forward',
      priority: priority.filter,
      rules: [
        rule({ do: 'accept' }, { on: 'out-interface', name: 'br0' }, { on: 'established' }),
        rule({ do: 'accept' }, { on: 'mark', value: 1, mask: 0xff }),
        rule({ do: 'send-again', address: Uint8Array.of(192, 0, 2, 9), name: 'lo', index: 1 }),
      ],
    },
  ],
};

/** What nft reads back out of the kernel, without its notes on owners. */
const listed = (namespace: number): string =>
  inNetNamespace(namespace, () =>
    execFileSync('/usr/sbin/nft', ['list', 'ruleset'], { encoding: 'utf8' })
      .replace(/ # progname.*/, '')
      .replace(/\tflags .*\n\n/, '')
      // Without /etc/protocols nft shows protocols by number.
      .replaceAll('{ 6 . ', '{ tcp . '),
  );

test('the kernel has exactly what the text says, by the word of nft', { skip }, () => {
  const namespace = createNetNamespace();
  try {
    using nftables = inNetNamespace(namespace, () => new Nftables());
    assert.equal(nftables.existing(table), 'none');
    const ownership = nftables.replace(table);
    assert.equal(listed(namespace), renderTable(table));
    assert.equal(nftables.existing(table), ownership);
    nftables.replace(table);
    assert.equal(listed(namespace), renderTable(table), 'replacing is not adding');

    nftables.change(table, {
      delete: [{ map, elements: [element(8080)] }],
      add: [{ map, elements: [element(9090)] }],
    });
    assert.match(listed(namespace), /127\.0\.0\.1 \. 9090 : 172\.17\.0\.2 \. 80 }/);
    const wrong = { delete: [{ map, elements: [element(1)] }], add: [{ map, elements: [element(2)] }] };
    assert.throws(() => nftables.change(table, wrong), { code: 'ENOENT' });
    assert.doesNotMatch(listed(namespace), /127\.0\.0\.1 \. 2 /, 'a failed transaction changes nothing');

    nftables.remove(table);
    nftables.remove(table);
    assert.equal(listed(namespace), '');
  } finally {
    closeNetNamespace(namespace);
  }
});

test('the same for IPv6', { skip }, () => {
  const namespace = createNetNamespace();
  const address = Uint8Array.from({ length: 16 }, (_, at) => (at === 0 ? 0xfd : at === 15 ? 2 : 0));
  const key = ['inet_proto', 'ipv6_addr', 'inet_service'] as const;
  const targets: NatMap = { name: 'targets', key, value: ['ipv6_addr', 'inet_service'] };
  const elements = [{ key: [6, address, 8080], value: [address, 80] }];
  const fields = ['protocol', 'destination', 'destination-port'] as const;
  const six: Table = {
    name: 'test-table',
    family: 6,
    maps: [
      { ...targets, elements },
      { name: 'open', key, value: [], elements: [{ key: [17, address, 53], value: [] }] },
    ],
    chains: [
      {
        name: 'first',
        type: 'nat',
        hook: 'prerouting',
        priority: priority.destinationNat,
        rules: [
          rule({ do: 'dnat', key: fields, map: 'targets' }, { on: 'destination-local' }),
          rule({ do: 'return' }, { on: 'destination', prefix: { address, length: 128 } }),
        ],
      },
      {
        name: 'second',
        type: 'filter',
        hook: 'forward',
        priority: priority.filter,
        rules: [
          rule({ do: 'accept' }, { on: 'in-set', key: fields, set: 'open' }),
          rule(
            { do: 'accept' },
            { on: 'protocol', number: 58 },
            { on: 'source', prefix: { address: prefix6, length: 61 } },
          ),
        ],
      },
      {
        name: 'third',
        type: 'nat',
        hook: 'postrouting',
        priority: priority.sourceNat,
        rules: [rule({ do: 'snat', address }), rule({ do: 'masquerade' })],
      },
    ],
  };
  try {
    using nftables = inNetNamespace(namespace, () => new Nftables());
    nftables.replace(six);
    assert.equal(listed(namespace).replaceAll('{ 17 . ', '{ udp . '), renderTable(six));
    nftables.change(six, { delete: [{ map: targets, elements }] });
    assert.doesNotMatch(listed(namespace), /8080/);
    nftables.remove(six);
    assert.equal(listed(namespace), '');
  } finally {
    closeNetNamespace(namespace);
  }
});

test('a table outlives its connection, and another connection takes it over', { skip }, () => {
  const namespace = createNetNamespace();
  try {
    const first = inNetNamespace(namespace, () => new Nftables());
    const ownership = first.replace(table);
    if (ownership === 'owned') {
      inNetNamespace(namespace, () => execFileSync('/usr/sbin/nft', ['flush', 'ruleset']));
      assert.equal(listed(namespace), renderTable(table), 'a flush passes it by');
      using other = inNetNamespace(namespace, () => new Nftables());
      assert.throws(() => other.replace(table), { code: 'EPERM' });
    }
    first[Symbol.dispose]();
    assert.equal(listed(namespace), renderTable(table));
    using second = inNetNamespace(namespace, () => new Nftables());
    assert.equal(second.replace({ ...table, chains: [] }), ownership);
    assert.doesNotMatch(listed(namespace), /chain/);
    second.remove(table);
    assert.equal(listed(namespace), '');
  } finally {
    closeNetNamespace(namespace);
  }
});
