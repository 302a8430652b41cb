import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderTable } from '../../sys/nftables/render.ts';
import { parseIpv4, parsePrefix } from '../ipv4.ts';
import { firewallTable } from './table.ts';

const expected = `table ip gantry {
	map published {
		type inet_proto . inet_service : ipv4_addr . inet_service
		elements = { tcp . 8080 : 172.17.0.2 . 80 }
	}

	map published_on {
		type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service
		elements = { udp . 127.0.0.1 . 5300 : 172.17.0.3 . 53 }
	}

	chain guard {
		type filter hook prerouting priority raw; policy accept;
		iifname "gantry0" ip daddr 127.0.0.0/8 drop comment "the host's loopback is out of the containers' reach"
	}

	chain published-in {
		type nat hook prerouting priority dstnat; policy accept;
		ip daddr 127.0.0.0/8 return comment "loopback addresses are not served to the outside"
		dnat ip to meta l4proto . ip daddr . th dport map @published_on comment "ports published on one address"
		fib daddr type local dnat ip to meta l4proto . th dport map @published comment "ports published on all addresses"
	}

	chain published-local {
		type nat hook output priority -100; policy accept;
		dnat ip to meta l4proto . ip daddr . th dport map @published_on comment "ports published on one address"
		fib daddr type local dnat ip to meta l4proto . th dport map @published comment "ports published on all addresses"
	}

	chain outgoing {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr 172.17.0.0/16 oifname != "gantry0" masquerade comment "containers reach the outside"
		ip saddr 172.17.0.0/16 oifname "gantry0" ct status dnat masquerade comment "containers reach published ports of their own network"
		ip saddr 127.0.0.0/8 oifname "gantry0" masquerade comment "localhost reaches published ports"
	}

	chain isolate {
		type filter hook forward priority filter; policy accept;
		oifname "gantry0" ct state established,related accept comment "answers"
		oifname "gantry0" ct status dnat accept comment "published ports"
		iifname "gantry0" oifname "gantry0" accept comment "containers of the same network"
		oifname "gantry0" drop comment "everything else stays out"
	}
}
`;

test('the whole firewall of a bridge with two published ports', () => {
  const bridge = { name: 'gantry0', subnet: parsePrefix('172.17.0.0/16') ?? assert.fail() };
  const target = (text: string) => parseIpv4(text) ?? assert.fail();
  const table = firewallTable(
    'gantry',
    [bridge],
    [
      { port: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080, target: target('172.17.0.2') },
      { port: 53, protocol: 'udp', hostIp: '127.0.0.1', hostPort: 5300, target: target('172.17.0.3') },
    ],
  );
  assert.equal(renderTable(table), expected);
});

test('without bridges there is nothing to guard', () => {
  const { chains } = firewallTable('gantry', [], []);
  assert.deepEqual(
    chains.map(({ name, rules }) => [name, rules.length]),
    [
      ['guard', 0],
      ['published-in', 3],
      ['published-local', 2],
      ['outgoing', 0],
      ['isolate', 0],
    ],
  );
});
