import type { PortSummary } from '../../spec/engine/container.ts';

const hostPort = (ip: string, port: string): string => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`);

const byNumbers = (a: PortSummary, b: PortSummary): number =>
  a.PrivatePort - b.PrivatePort ||
  compareText(a.IP ?? '', b.IP ?? '') ||
  (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
  compareText(a.Type, b.Type);
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

interface Group {
  readonly ip: string;
  readonly type: string;
  readonly first: number;
  last: number;
}

const groupText = ({ ip, type, first, last }: Group): string => {
  const range = first === last ? String(first) : `${first}-${last}`;
  return `${ip === '' ? range : `${hostPort(ip, range)}->${range}`}/${type}`;
};

/**
 * The ports of a container in one line, as `ps` shows them: neighbours that are exposed, or published under their own
 * number, are joined to ranges; those published elsewhere follow one by one.
 */
export function describePorts(ports: readonly PortSummary[]): string {
  const done: string[] = [];
  const mapped: string[] = [];
  const open = new Map<string, Group>();
  for (const port of [...ports].sort(byNumbers)) {
    const ip = port.IP ?? '';
    if (ip !== '' && port.PublicPort !== port.PrivatePort) {
      mapped.push(`${hostPort(ip, String(port.PublicPort))}->${port.PrivatePort}/${port.Type}`);
      continue;
    }
    const key = `${ip}/${port.Type}`;
    const group = open.get(key);
    if (group !== undefined && port.PrivatePort === group.last + 1) {
      group.last = port.PrivatePort;
      continue;
    }
    if (group !== undefined) done.push(groupText(group));
    open.set(key, { ip, type: port.Type, first: port.PrivatePort, last: port.PrivatePort });
  }
  return [...done, ...[...open.values()].map(groupText), ...mapped].join(', ');
}
