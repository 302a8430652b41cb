import { invalid } from '../../base/errors.ts';
import type { HostConfig, MountSpec } from '../engine/container.ts';

/** Options that belong to one type of mount. */
const optionFields = [
  ['VolumeOptions', 'volume'],
  ['BindOptions', 'bind'],
  ['TmpfsOptions', 'tmpfs'],
] as const;

/**
 * Mounts as a client of API 1.`minor` means them: what it cannot know is dropped where Docker ignores it, and refused
 * where it would give a false sense of safety. @throws EngineError `invalid` in Docker's words.
 */
export function adaptMounts(mounts: readonly MountSpec[], minor: number): void {
  for (const mount of mounts) {
    checkOptions(mount, minor);
    const { BindOptions: bind, VolumeOptions: volume } = mount;
    if (minor < 40) delete bind?.NonRecursive;
    if (minor < 42) delete bind?.CreateMountpoint;
    if (minor < 44) {
      if (mount.Type === 'bind' && bind?.ReadOnlyForceRecursive === true) {
        throw invalid('BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer');
      }
      delete bind?.ReadOnlyNonRecursive;
    }
    if (minor < 45 && (volume?.Subpath ?? '') !== '') throw invalid('VolumeOptions.Subpath needs API v1.45 or newer');
    if (minor < 48 && mount.Type === 'image') throw invalid('Mount type "Image" needs API v1.48 or newer');
  }
}

/** Before 1.42 nobody looked whether options fit the type. */
function checkOptions(mount: MountSpec, minor: number): void {
  for (const [field, type] of optionFields) {
    if (mount[field] === undefined || mount.Type === type) continue;
    if (minor >= 42) throw invalid(`${field} must not be specified on mount type ${JSON.stringify(mount.Type)}`);
    if (field !== 'BindOptions') delete mount[field];
  }
}

/** The one driver for all volumes that a container names with `-v` means nothing to `--mount`. */
export function volumeDriverWarning(host: HostConfig, minor: number): string[] {
  if (host.VolumeDriver === '' || minor < 48) return [];
  const unclear = (host.Mounts ?? []).some(
    (mount) => mount.Type === 'volume' && (mount.VolumeOptions?.DriverConfig?.Name ?? '') === '',
  );
  return unclear
    ? [
        "WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. Use '--mount type=volume,volume-driver=...' instead",
      ]
    : [];
}
