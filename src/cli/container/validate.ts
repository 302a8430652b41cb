import { invalid } from '../../base/errors.ts';
import { parseBinarySize } from '../../base/text/units.ts';
import { goQuote } from '../../base/text/quote.ts';
import type { Ulimit } from '../../spec/engine/container.ts';
import { parsedBy, parseInteger } from '../flags/types.ts';
import type { FlagType } from '../flags/types.ts';

/** Text before and after the first `separator`; `found` is false when it is not there. */
export function cut(text: string, separator: string): { before: string; after: string; found: boolean } {
  const at = text.indexOf(separator);
  if (at < 0) return { before: text, after: '', found: false };
  return { before: text.slice(0, at), after: text.slice(at + separator.length), found: true };
}

const isIpv4 = (text: string): boolean => {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255);
};

function isIpv6(text: string): boolean {
  const halves = text.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  const last = groups.at(-1);
  const isMapped = last !== undefined && isIpv4(last);
  const count = groups.length + (isMapped ? 1 : 0);
  const hex = isMapped ? groups.slice(0, -1) : groups;
  return hex.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group)) && (halves.length === 2 ? count < 8 : count === 8);
}

/** Whether `text` is an IPv4 or IPv6 address. */
export const isIpAddress = (text: string): boolean => isIpv4(text) || isIpv6(text);
export { isIpv4 };

/** @throws unless `text` is an address. */
export function checkIp(text: string): string {
  const trimmed = text.trim();
  if (!isIpAddress(trimmed)) throw invalid(`IP address is not correctly formatted: ${text}`);
  return trimmed;
}

/** `host:ip` or `host=ip`, made `host:ip`. */
export function checkExtraHost(text: string): string {
  const { before, after, found } = text.includes('=') ? cut(text, '=') : cut(text, ':');
  if (!found || before === '' || before.includes(':')) throw invalid(`bad format for add-host: ${goQuote(text)}`);
  if (after === 'host-gateway') return `${before}:${after}`;
  const address = after.length > 2 && after.startsWith('[') && after.endsWith(']') ? after.slice(1, -1) : after;
  if (!isIpAddress(address)) throw invalid(`invalid IP address in add-host: ${goQuote(after)}`);
  return `${before}:${address}`;
}

/** A search domain; `.` stands for none. */
export function checkDomain(text: string): string {
  const domain = text.trim();
  if (domain === '.') return domain;
  const labels = (domain.endsWith('.') ? domain.slice(0, -1) : domain).split('.');
  const isValid =
    /[a-zA-Z]/.test(domain) &&
    domain.length < 255 &&
    labels.every((label) => /^[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?$/.test(label));
  if (!isValid) throw invalid(`${text} is not a valid domain`);
  return domain.endsWith('.') ? domain.slice(0, -1) : domain;
}

export function checkLink(text: string): string {
  if (text === '') throw invalid('empty string specified for links');
  const parts = text.split(':');
  if (parts.length > 2) throw invalid(`bad format for links: ${text}`);
  if (parts.length === 1) return text;
  return text;
}

export function checkStream(text: string): string {
  const stream = text.toLowerCase();
  if (!['stdin', 'stdout', 'stderr'].includes(stream)) throw invalid('valid streams are STDIN, STDOUT and STDERR');
  return stream;
}

const sysctls = ['msgmax', 'msgmnb', 'msgmni', 'sem', 'shmall', 'shmmax', 'shmmni', 'shm_rmid_forced'];

export function checkSysctl(text: string): void {
  const { before, found } = cut(text, '=');
  const isKernel = before.startsWith('kernel.') && sysctls.includes(before.slice('kernel.'.length));
  if (found && (isKernel || before.startsWith('net.') || before.startsWith('fs.mqueue.'))) return;
  throw invalid(`sysctl '${text}' is not allowed`);
}

export function checkDeviceRule(text: string): string {
  if (!/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(text)) {
    throw invalid(`invalid device cgroup format '${text}'`);
  }
  return text;
}

/** `--cpus`: a decimal number or a fraction, as billionths of a processor. */
export const cpusType: FlagType<number> = parsedBy('decimal', 0, (text) => {
  const { before, after, found } = cut(text, '/');
  const [over, under] = [before, found ? after : '1'].map((part) =>
    /^[+-]?[0-9]*\.?[0-9]+$/.test(part) ? Number(part) : Number.NaN,
  );
  if (over === undefined || under === undefined || Number.isNaN(over / under) || under === 0) {
    throw invalid(`failed to parse ${text} as a rational number`);
  }
  const billionths = (over / under) * 1e9;
  const rounded = Math.round(billionths);
  if (Math.abs(billionths - rounded) > 1e-3) throw invalid('value is too precise');
  return rounded;
});

const ulimits = new Set(
  'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(' '),
);

/** `--ulimit name=soft[:hard]`; a later one of the same name wins. */
export const ulimitType: FlagType<Ulimit[]> = parsedBy<Ulimit[]>('ulimit', [], (text, current) => {
  const { before: Name, after, found } = cut(text, '=');
  if (!found) throw invalid(`invalid ulimit argument: ${text}`);
  if (!ulimits.has(Name)) throw invalid(`invalid ulimit type: ${Name}`);
  const values = after.split(':');
  if (values.length > 2) {
    throw invalid(`too many limit value arguments - ${after}, can only have up to two, \`soft[:hard]\``);
  }
  const number = (value: string) => parseInteger(value, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  const Hard = number(values.at(-1) as string);
  const Soft = number(values[0] as string);
  const rule = 'ulimit soft limit must be less than or equal to hard limit:';
  if (Hard !== -1 && Soft === -1) throw invalid(`${rule} soft: -1 (unlimited), hard: ${Hard}`);
  if (Hard !== -1 && Soft > Hard) throw invalid(`${rule} ${Soft} > ${Hard}`);
  return [...current.filter((limit) => limit.Name !== Name), { Name, Soft, Hard }].sort((a, b) =>
    a.Name < b.Name ? -1 : 1,
  );
});

function devicePath(text: string): { path: string; rest: string } {
  const { before, after, found } = cut(text, ':');
  if (!found || before === '') throw invalid(`bad format: ${text}`);
  if (!before.startsWith('/dev/')) throw invalid(`bad format for device path: ${text}`);
  return { path: before, rest: after };
}

type Rates = { Path: string; Rate: number }[];
const throttle = (hint: string, parse: (text: string) => number): FlagType<Rates> =>
  parsedBy<Rates>('list', [], (text, current) => {
    const { path, rest } = devicePath(text);
    try {
      return [...current, { Path: path, Rate: parse(rest) }];
    } catch {
      throw invalid(`invalid rate for device: ${text}. The correct format is ${hint}`);
    }
  });

export const bytesRateType = throttle(
  '<device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb',
  parseBinarySize,
);
export const operationsRateType = throttle('<device-path>:<number>. Number must be a positive integer', (text) =>
  parseInteger(text, 0, Number.MAX_SAFE_INTEGER, 'ParseUint'),
);

export const weightType = parsedBy<{ Path: string; Weight: number }[]>('list', [], (text, current) => {
  const { path, rest } = devicePath(text);
  const weight = /^[0-9]+$/.test(rest) ? Number(rest) : -1;
  if (weight !== 0 && (weight < 10 || weight > 1000)) throw invalid(`invalid weight for device: ${text}`);
  return [...current, { Path: path, Weight: weight }];
});
