import { networkOptionsForm, poolsForm } from './forms.ts';
import { always, list, number, objects, type Setting, text, toggle, whenOff } from './setting.ts';

const ownTable = whenOff('iptables is never called: the engine keeps an nftables table of its own');
const fixedGateway = always("the default network's gateway is always the bridge's own address");

/** The default network, and what all networks have in common. */
export const networkSettings: readonly Setting[] = [
  text('bridge', 'Interface of the default network; none for no such network', { short: 'b', refuse: ownBridgeOnly }),
  text('bip', "The default bridge's address and subnet: 10.1.0.1/24"),
  text('fixed-cidr', "Part of the default bridge's subnet that containers get addresses from"),
  number('mtu', 'MTU of networks in bytes'),
  text('ip', 'Address that ports of the default network are published on when none is named'),
  list('default-publish-address', 'Address that ports of all networks are published on when none is named', {
    own: 'setting',
  }),
  toggle('default-publish-host-rules', "Let the host's own rules for incoming packets decide about published ports", {
    own: 'setting',
  }),
  toggle('icc', 'Let containers of the default network reach each other'),
  toggle('ip-masq', "Give packets to the outside the host's address"),
  toggle('ip-forward', 'Turn on forwarding in the kernel'),
  toggle('ip-forward-no-drop', 'Leave the policy for forwarded packets alone', {
    note: whenOff('the policy of other tables is never changed'),
  }),
  objects('default-address-pool', 'Where subnets are taken from: base=10.0.0.0/8,size=24', {
    key: 'default-address-pools',
    form: poolsForm,
  }),
  list('dns', 'Name server for containers'),
  list('dns-opt', 'Option of resolvers in containers', { key: 'dns-opts' }),
  list('dns-search', 'Search domain for containers'),
  toggle('bridge-names', 'Let containers of the default network find each other by name', { own: 'setting' }),
  text('names-listen', "Where the host's programs ask for names of containers: address, or address:port", {
    own: 'setting',
  }),
  list('host-gateway-ip', 'What host-gateway stands for in --add-host', {
    key: 'host-gateway-ips',
    oldKey: 'host-gateway-ip',
  }),
  toggle('iptables', 'Keep firewall rules', { note: ownTable }),
  toggle('ip6tables', 'Keep firewall rules for IPv6', { note: ownTable }),
  text('firewall-backend', 'What keeps firewall rules: nftables', {
    note: (value) => (value === 'nftables' || value === '' ? undefined : 'the firewall is always nftables here'),
  }),
  text('default-gateway', 'IPv4 gateway of the default network', { note: fixedGateway }),
  text('default-gateway-v6', 'IPv6 gateway of the default network', { note: fixedGateway }),
  text('fixed-cidr-v6', 'IPv6 subnet of the default network'),
  text('bip6', "The default bridge's IPv6 address and subnet: fd00:1::1/64"),
  toggle('ipv6', 'IPv6 on the default network'),
  objects('default-network-opt', 'Options of new networks by driver', {
    key: 'default-network-opts',
    form: networkOptionsForm,
  }),
  text('bridge-accept-fwmark', 'Let packets with this mark through to containers: MARK or MARK/MASK'),
  toggle('allow-direct-routing', "Let other hosts reach published ports by the container's own address"),
  number('network-control-plane-mtu', 'MTU of the control plane of overlay networks', {
    note: always('there are no overlay networks'),
  }),
  number('network-diagnostic-port', 'Port of the network diagnostic server', {
    note: always('there is no such server'),
  }),
];

function ownBridgeOnly(value: unknown): string | undefined {
  return value === 'none' || value === '' || value === 'docker0'
    ? undefined
    : 'the bridge is always made by the engine, named after its instance; only none is taken';
}
