import { invalid } from '../../base/errors.ts';
import type { LaunchProcess } from '../../spec/contract/launch.ts';
import type { HostConfig } from '../../spec/engine/container.ts';
import type { OciProcess } from '../../spec/oci/runtime.ts';
import { appArmorProfile } from '../profile/apparmor.ts';
import { capabilitySets, resolveCapabilities } from '../profile/capabilities.ts';
import { parseSecurityOptions } from '../profile/security-options.ts';
import type { HostFacts } from './host.ts';
import { oomScore, processLimits } from './limits.ts';

/** uid_t and gid_t have 32 bits, but the kernel and much user space take the upper half for negative: refused. */
const maxId = 0x7fff_ffff;

/**
 * The OCI process of a container or an exec. `privileged` may differ from the container's own: an exec has its own flag.
 * @throws invalid for anything that a runtime must never see: ids out of range, a working directory that is not a plain
 * absolute path, NUL bytes.
 */
export function ociProcess(
  process: LaunchProcess,
  config: HostConfig,
  privileged: boolean,
  host: HostFacts,
  warnings: string[],
): OciProcess {
  checkIds(process);
  checkText(process);
  checkWorkingDirectory(process.cwd);
  const security = parseSecurityOptions(config.SecurityOpt);
  const capabilities = resolveCapabilities({ privileged, add: config.CapAdd, drop: config.CapDrop }, host.capabilities);
  const rlimits = processLimits(config.Ulimits, host, warnings);
  const appArmor = appArmorProfile(security.appArmor, privileged, host.appArmor);
  const score = oomScore(config, host, warnings);
  const size = process.consoleSize;
  return {
    terminal: process.tty,
    ...(process.tty && size !== undefined ? { consoleSize: { height: size[0], width: size[1] } } : {}),
    user: {
      uid: process.user.uid,
      gid: process.user.gid,
      ...(config.Umask === undefined ? {} : { umask: config.Umask }),
      ...(process.user.additionalGids.length > 0 ? { additionalGids: [...process.user.additionalGids] } : {}),
    },
    args: [...process.args],
    env: [...process.env],
    cwd: process.cwd,
    capabilities: capabilitySets(capabilities, process.user.uid),
    ...(rlimits.length > 0 ? { rlimits } : {}),
    noNewPrivileges: security.noNewPrivileges ?? host.defaults.noNewPrivileges,
    ...(appArmor === undefined ? {} : { apparmorProfile: appArmor }),
    ...(score === 0 ? {} : { oomScoreAdj: score }),
  };
}

function checkIds({ user }: LaunchProcess): void {
  for (const id of [user.uid, user.gid, ...user.additionalGids]) {
    if (!Number.isInteger(id) || id < 0 || id > maxId) throw invalid(`uids and gids must be in range 0-${maxId}`);
  }
}

function checkText({ args, env }: LaunchProcess): void {
  if (args.length === 0 || args[0] === '') throw invalid('no command specified');
  for (const text of [...args, ...env]) {
    if (text.includes('\0')) throw invalid('arguments and environment must not hold NUL bytes');
  }
}

/**
 * A runtime enters the working directory while it still holds descriptors of the host: below the links of
 * /proc/<process> a container would begin life outside its root (CVE-2024-21626). The caller has to check what links of
 * the image lead to; here the path itself is checked.
 */
export function checkWorkingDirectory(cwd: string): void {
  const shown = JSON.stringify(cwd.slice(0, 200));
  if (!cwd.startsWith('/') || cwd.includes('\0')) {
    throw invalid(`the working directory ${shown} is invalid, it needs to be an absolute path`);
  }
  const parts: string[] = [];
  for (const part of cwd.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  const [top, entry] = parts;
  if (top !== 'proc' || entry === undefined || parts.length === 2) return;
  if (entry === 'self' || entry === 'thread-self' || (entry[0] !== undefined && entry[0] >= '0' && entry[0] <= '9')) {
    throw invalid(`the working directory ${shown} is invalid: it leads through a process of /proc`);
  }
}
