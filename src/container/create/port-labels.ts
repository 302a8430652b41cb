import { invalid } from '../../base/errors.ts';
import type { PortBinding, PortMap } from '../../spec/engine/container.ts';
import { parseContainerPorts } from './ports.ts';

/**
 * Labels of a request say what stock clients cannot: `gantry.publish.from=10.0.0.0/8,fd00::/8` and
 * `gantry.publish.host-rules=true`, for all published ports, or with `.80/tcp` behind for one of them.
 */
const prefix = 'gantry.publish.';

interface Wishes {
  readonly from?: string[];
  readonly hostRules?: boolean;
}

/**
 * The bindings with what labels say of ports that do not say it themselves. With `publishAll` every exposed port gets a
 * binding that has a label. Labels of an image do not count: it is not the image's to say who reaches its ports.
 * @throws invalid for an unknown label of this kind, and for a port that is not published
 */
export function labelledBindings(
  labels: Readonly<Record<string, string>>,
  bindings: PortMap,
  published: { readonly exposed: readonly string[]; readonly all: boolean },
): PortMap {
  const wishes = wishesIn(labels);
  if (wishes.size === 0) return bindings;
  const named: PortMap = Object.assign(Object.create(null), bindings);
  if (published.all) {
    for (const port of published.exposed)
      if ((named[port] ?? []).length === 0) named[port] = [{ HostIp: '', HostPort: '' }];
  }
  for (const port of wishes.keys()) {
    if (port === '' || (named[port] ?? []).length > 0) continue;
    throw invalid(`label ${prefix}*.${port}: port ${port} is not published`);
  }
  for (const [port, list] of Object.entries(named)) {
    const wish = { ...wishes.get(''), ...wishes.get(port) };
    named[port] = list === null ? null : list.map((binding) => withWish(binding, wish));
  }
  return named;
}

const withWish = (binding: PortBinding, { from, hostRules }: Wishes): PortBinding => ({
  ...binding,
  ...(from === undefined || binding.From !== undefined ? {} : { From: from }),
  ...(hostRules === undefined || binding.HostRules !== undefined ? {} : { HostRules: hostRules }),
});

/** By port, `80/tcp`; the empty one for all. */
function wishesIn(labels: Readonly<Record<string, string>>): ReadonlyMap<string, Wishes> {
  const wishes = new Map<string, Wishes>();
  for (const [label, value] of Object.entries(labels)) {
    if (!label.startsWith(prefix)) continue;
    const rest = label.slice(prefix.length);
    const dot = rest.indexOf('.');
    const name = dot < 0 ? rest : rest.slice(0, dot);
    const port = dot < 0 ? '' : portOf(rest.slice(dot + 1));
    wishes.set(port, { ...wishes.get(port), ...wishOf(label, name, value) });
  }
  return wishes;
}

function portOf(text: string): string {
  const { first, last, protocol } = parseContainerPorts(text);
  if (first !== last) throw invalid(`invalid port specification: ${JSON.stringify(text.slice(0, 100))}`);
  return `${first}/${protocol}`;
}

function wishOf(label: string, name: string, value: string): Wishes {
  if (name === 'from') return { from: value.split(/[,\s]+/).filter((part) => part !== '') };
  if (name === 'host-rules') {
    if (value === 'true' || value === 'false') return { hostRules: value === 'true' };
    throw invalid(`label ${label}: ${JSON.stringify(value.slice(0, 60))}: expected true or false`);
  }
  throw invalid(
    `unknown label ${JSON.stringify(label.slice(0, 100))}: there are ${prefix}from and ${prefix}host-rules`,
  );
}
