import { invalid } from '../../base/errors.ts';

/** Which system call filter a container asks for. */
export type SeccompChoice =
  | { readonly kind: 'builtin' }
  | { readonly kind: 'unconfined' }
  /** A profile in Docker's JSON format, not parsed yet. */
  | { readonly kind: 'profile'; readonly json: string };

/** The parsed `HostConfig.SecurityOpt`. */
export interface SecurityOptions {
  /** Undefined when the container does not say. */
  readonly noNewPrivileges: boolean | undefined;
  /** Undefined when the container does not say; a privileged container then runs without a filter. */
  readonly seccomp: SeccompChoice | undefined;
  /** Undefined for the host's default profile; `unconfined` for none. */
  readonly appArmor: string | undefined;
  /** SELinux label options, as they came: `disable`, `type:container_t`. */
  readonly labels: readonly string[];
  /** cgroups are mounted writable. */
  readonly writableCgroups: boolean;
}

/**
 * Parses `--security-opt` values as the API carries them: `name=value`, the older `name:value`, and the bare words
 * `no-new-privileges`, `writable-cgroups` and `disable`. @throws invalid in Docker's words for anything else.
 */
export function parseSecurityOptions(options: readonly string[] | null): SecurityOptions {
  let noNewPrivileges: boolean | undefined;
  let seccomp: SeccompChoice | undefined;
  let appArmor: string | undefined;
  let writableCgroups = false;
  const labels: string[] = [];
  for (const option of options ?? []) {
    if (option === 'no-new-privileges') {
      noNewPrivileges = true;
      continue;
    }
    if (option === 'writable-cgroups') {
      writableCgroups = true;
      continue;
    }
    if (option === 'disable') {
      labels.push('disable');
      continue;
    }
    const [name, value] = splitOption(option);
    if (name === 'label') labels.push(value);
    else if (name === 'apparmor') appArmor = value;
    else if (name === 'seccomp') seccomp = seccompChoice(value);
    else if (name === 'no-new-privileges') noNewPrivileges = parseBoolean(value, option);
    else if (name === 'writable-cgroups') writableCgroups = parseBoolean(value, option);
    else throw invalid(`invalid --security-opt 2: ${shown(option)}`);
  }
  return { noNewPrivileges, seccomp, appArmor, labels, writableCgroups };
}

function splitOption(option: string): [string, string] {
  const equals = option.indexOf('=');
  const at = equals >= 0 ? equals : option.indexOf(':');
  if (at < 0) throw invalid(`invalid --security-opt 1: ${shown(option)}`);
  return [option.slice(0, at), option.slice(at + 1)];
}

function seccompChoice(value: string): SeccompChoice {
  if (value === 'unconfined') return { kind: 'unconfined' };
  if (value === 'builtin' || value === '') return { kind: 'builtin' };
  return { kind: 'profile', json: value };
}

const truthy = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const falsy = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

function parseBoolean(value: string, option: string): boolean {
  if (truthy.has(value)) return true;
  if (falsy.has(value)) return false;
  throw invalid(`invalid --security-opt 2: ${shown(option)}`);
}

const shown = (text: string): string => JSON.stringify(text.slice(0, 200));
