import { invalid } from '../../base/errors.ts';
import type { DeviceMapping } from '../../spec/engine/container.ts';
import type { OciDevice, OciDeviceRule } from '../../spec/oci/runtime.ts';

const allow = (major: number, minor: number | undefined, access: string): OciDeviceRule =>
  minor === undefined ? { allow: true, type: 'c', major, access } : { allow: true, type: 'c', major, minor, access };

/**
 * The device rules of a container that asks for nothing: deny all, then the harmless character devices
 * (Documentation/admin-guide/devices.txt of Linux). FUSE is denied by name, so that no default of a runtime opens it.
 */
export const defaultDeviceRules: readonly OciDeviceRule[] = [
  { allow: false, access: 'rwm' },
  allow(1, 3, 'rwm'), // /dev/null
  allow(1, 5, 'rwm'), // /dev/zero
  allow(1, 7, 'rwm'), // /dev/full
  allow(1, 8, 'rwm'), // /dev/random
  allow(1, 9, 'rwm'), // /dev/urandom
  allow(5, 0, 'rwm'), // /dev/tty
  allow(5, 1, 'rwm'), // /dev/console
  allow(5, 2, 'rwm'), // /dev/ptmx
  allow(136, undefined, 'rwm'), // /dev/pts/*
  { allow: false, type: 'c', major: 10, minor: 229, access: 'rwm' }, // /dev/fuse
];

/** What a privileged container may open: everything. */
export const privilegedDeviceRules: readonly OciDeviceRule[] = [{ allow: true, access: 'rwm' }];

/** The nodes to make and the rules to add for one requested device. */
export interface MappedDevices {
  readonly devices: readonly OciDevice[];
  readonly rules: readonly OciDeviceRule[];
}

/**
 * A device, or all devices of a directory, under the name that the container wants. `found` are the host's nodes.
 * @throws invalid when there is none, or when the permissions are not made of `rwm`.
 */
export function mapDevices(mapping: DeviceMapping, found: readonly OciDevice[]): MappedDevices {
  const { PathOnHost: from, PathInContainer: to } = mapping;
  const access = mapping.CgroupPermissions === '' ? 'rwm' : mapping.CgroupPermissions;
  if (!isAccess(access)) {
    throw invalid(`invalid device mode ${JSON.stringify(access)} for ${JSON.stringify(from)}: expected some of rwm`);
  }
  if (found.length === 0) {
    throw invalid(
      `error gathering device information while adding custom device ${JSON.stringify(from)}: not a device node`,
    );
  }
  const base = from.endsWith('/') ? from.slice(0, -1) : from;
  const devices = found.map((device) => ({
    ...device,
    path: (to === '' ? base : trimEnd(to)) + device.path.slice(base.length),
  }));
  return { devices, rules: found.map((device) => ruleFor(device, access)) };
}

const trimEnd = (path: string): string => (path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path);

function ruleFor(device: OciDevice, access: string): OciDeviceRule {
  return {
    allow: true,
    type: device.type === 'b' ? 'b' : 'c',
    major: device.major,
    minor: device.minor,
    access,
  };
}

/** True for one to three different letters out of `rwm`. */
export const isAccess = (text: string): boolean => /^[rwm]{1,3}$/.test(text) && new Set(text).size === text.length;

/**
 * A rule as `--device-cgroup-rule` takes it: `c 189:* rwm` (Documentation/admin-guide/cgroup-v1/devices.rst).
 * @throws invalid in Docker's words.
 */
export function parseDeviceRule(text: string): OciDeviceRule {
  const fail = () => invalid(`invalid device cgroup rule format: '${text.slice(0, 100)}'`);
  const parts = text.split(' ');
  const [type, numbers, access] = parts;
  if (parts.length !== 3 || type === undefined || numbers === undefined || access === undefined) throw fail();
  if ((type !== 'a' && type !== 'b' && type !== 'c') || !isAccess(access)) throw fail();
  const colon = numbers.indexOf(':');
  if (colon < 0) throw fail();
  const major = parseNumber(numbers.slice(0, colon), fail);
  const minor = parseNumber(numbers.slice(colon + 1), fail);
  return {
    allow: true,
    type,
    ...(major === undefined ? {} : { major }),
    ...(minor === undefined ? {} : { minor }),
    access,
  };
}

/** A number of a device, or undefined for `*`. */
function parseNumber(text: string, fail: () => Error): number | undefined {
  if (text === '*') return undefined;
  if (!/^[0-9]{1,10}$/.test(text)) throw fail();
  const value = Number(text);
  if (value > 0xffff_ffff) throw fail();
  return value;
}
