import { invalid } from '../../base/errors.ts';

/** What the host offers: see `HostFacts.appArmor`. */
export interface AppArmorHost {
  readonly active: boolean;
  readonly defaultProfile: string | undefined;
}

/**
 * The AppArmor profile of a container, undefined for none. A privileged container runs unconfined unless it names a
 * profile. @throws invalid when a profile is named on a host where AppArmor is not active: running without it would
 * pretend to a protection that is not there.
 */
export function appArmorProfile(
  wanted: string | undefined,
  privileged: boolean,
  host: AppArmorHost,
): string | undefined {
  if (wanted === undefined || wanted === '') {
    if (!host.active) return undefined;
    return privileged ? 'unconfined' : host.defaultProfile;
  }
  if (host.active) return wanted;
  if (wanted === 'unconfined') return undefined;
  throw invalid(
    `AppArmor is not enabled on this host: cannot apply the profile ${JSON.stringify(wanted.slice(0, 200))}`,
  );
}
