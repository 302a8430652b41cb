import { invalid } from '../../base/errors.ts';
import { ipvlanFlags, ipvlanModes, macvlanModes, type StackedLink } from '../../sys/netlink/link.ts';
import { checkInterfaceName } from './options.ts';

/** What the options of a macvlan or ipvlan network say. */
export interface StackedSettings {
  /** The host's interface below; undefined for one that leads nowhere. */
  readonly parent: string | undefined;
  readonly link: StackedLink;
  /** Containers' default route is the interface itself: ipvlan in the modes of layer 3. */
  readonly routesByLink: boolean;
}

/** @throws EngineError `invalid`, naming the option whose value is wrong */
export function stackedSettings(
  driver: 'macvlan' | 'ipvlan',
  options: Readonly<Record<string, string>>,
): StackedSettings {
  const mode = options[`${driver}_mode`] ?? '';
  const link = driver === 'macvlan' ? macvlanLink(mode) : ipvlanLink(mode, options['ipvlan_flag'] ?? '');
  const parent = options['parent'] ?? '';
  if (parent === 'lo') throw invalid(`loopback interface is not a valid ${driver} parent link`);
  if (parent !== '') checkInterfaceName(parent);
  return {
    parent: parent === '' ? undefined : parent,
    link,
    routesByLink: link.kind === 'ipvlan' && link.mode !== 'l2',
  };
}

function macvlanLink(mode: string): StackedLink {
  const name = mode === '' ? 'bridge' : mode;
  if (Object.hasOwn(macvlanModes, name)) return { kind: 'macvlan', mode: name as keyof typeof macvlanModes };
  const what = name.slice(0, 50);
  throw invalid(`requested macvlan mode '${what}' is not valid, 'bridge' mode is the macvlan driver default`);
}

function ipvlanLink(modeText: string, flagText: string): StackedLink {
  const mode = modeText === '' ? 'l2' : modeText;
  const flag = flagText === '' ? 'bridge' : flagText;
  if (!Object.hasOwn(ipvlanModes, mode)) {
    const what = mode.slice(0, 50);
    throw invalid(`requested ipvlan mode '${what}' is not valid, 'l2' mode is the ipvlan driver default`);
  }
  if (!Object.hasOwn(ipvlanFlags, flag)) {
    const what = flag.slice(0, 50);
    throw invalid(`requested ipvlan flag '${what}' is not valid, 'bridge' is the ipvlan driver default flag`);
  }
  return { kind: 'ipvlan', mode: mode as keyof typeof ipvlanModes, flag: flag as keyof typeof ipvlanFlags };
}

/** `eth0.50`: VLAN 50 of eth0; undefined for other names. @throws EngineError `invalid` for a wrong number */
export function vlanOf(parent: string): { readonly on: string; readonly id: number } | undefined {
  const dot = parent.indexOf('.');
  if (dot < 0) return undefined;
  const text = parent.slice(dot + 1);
  if (!/^\d{1,5}$/.test(text)) {
    throw invalid(`unable to parse a valid vlan id from: ${text.slice(0, 50)} (ex. eth0.10 for vlan 10)`);
  }
  const id = Number(text);
  if (id < 1 || id > 4094) throw invalid(`vlan id must be between 1-4094, received: ${id}`);
  return { on: parent.slice(0, dot), id };
}
