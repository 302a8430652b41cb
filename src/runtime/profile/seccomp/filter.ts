import type { OciSeccomp } from '../../../spec/oci/runtime.ts';
import type { SeccompChoice } from '../security-options.ts';
import { compileProfile } from './compile.ts';
import { defaultProfile, type ProfileInput } from './default-profile.ts';
import type { SeccompProfile } from './model.ts';
import { ociSeccomp } from './oci.ts';
import { parseUserProfile } from './user-profile.ts';

/** A system call filter in both forms that runtimes take. */
export interface SeccompFilter {
  /** For `linux.seccomp`: the runtime compiles it. */
  readonly spec: OciSeccomp;
  /** The ready program in base64, for crun's annotation `run.oci.seccomp_bpf_data`. */
  readonly program: string;
}

/** Filters by what they depend on. Hosts see few capability sets and profiles; the bound is against hostile ones. */
const cache = new Map<string, SeccompFilter>();
const maxCached = 32;

/**
 * The filter of a container, undefined for none. A privileged container has none unless it names one.
 * @throws invalid for a malformed profile.
 */
export function seccompFilter(
  choice: SeccompChoice | undefined,
  privileged: boolean,
  input: ProfileInput,
): SeccompFilter | undefined {
  if (choice?.kind === 'unconfined' || (choice === undefined && privileged)) return undefined;
  const json = choice?.kind === 'profile' ? choice.json : '';
  const key = `${input.arch} ${input.kernel.join('.')} ${input.capabilities.toSorted().join()} ${json}`;
  let filter = cache.get(key);
  if (filter === undefined) {
    filter = makeFilter(json === '' ? defaultProfile(input) : parseUserProfile(json, input));
    const oldest = cache.keys().next();
    if (cache.size >= maxCached && oldest.done !== true) cache.delete(oldest.value);
    cache.set(key, filter);
  }
  return filter;
}

const makeFilter = (profile: SeccompProfile): SeccompFilter => ({
  spec: ociSeccomp(profile),
  program: compileProfile(profile).toBase64(),
});
