import type { SeccompChoice } from '../profile/security-options.ts';
import type { HostFacts } from './host.ts';

/** The filter that the operator chose for containers that name none; privileged ones run without. */
export const defaultFilter = (privileged: boolean, { defaults }: HostFacts): SeccompChoice | undefined =>
  privileged ? undefined : defaults.seccomp;
