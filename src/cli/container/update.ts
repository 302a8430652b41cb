import { messageOf } from '../../base/errors.ts';
import { pathPart } from '../../client/target.ts';
import type { ContainerChanges, UpdateContainerView } from '../../spec/engine/update.ts';
import { atLeast, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import type { FlagValues } from '../flags/types.ts';
import { flag, listOf, types } from '../flags/types.ts';
import { checkEnv, checkLabel, pairs, readEnvironment } from '../key-values.ts';
import type { Environment } from '../config.ts';
import { limitFlags } from './_limit-flags.ts';
import { mountType } from './_mount-spec.ts';
import { readPorts } from './_port-spec.ts';
import { restartPolicy } from './_restart-policy.ts';

const { string } = types;

const updateFlags = {
  ...limitFlags,
  restart: flag(string, 'When to start again: no, on-failure[:max-retries], always, unless-stopped'),
};

/** What docker's update cannot do. */
const changeFlags = {
  'publish-add': flag(listOf(), 'Publish a port now: [[IP:]HOST:]CONTAINER[/PROTOCOL]'),
  'publish-rm': flag(listOf(), 'Close a published port now: [[IP:]HOST:]CONTAINER[/PROTOCOL]'),
  'env-add': flag(listOf(checkEnv), 'Set an environment variable: NAME=VALUE, or NAME to pass the own one on'),
  'env-rm': flag(listOf(), 'Remove an environment variable'),
  'label-add': flag(listOf(checkLabel), 'Set a label: NAME=VALUE'),
  'label-rm': flag(listOf(), 'Remove a label'),
  'mount-add': flag(mountType, 'Add a mount: type=bind|volume|tmpfs,source=...,target=...'),
  'mount-rm': flag(listOf(), 'Remove the mount at a target'),
  'network-rate-in': flag(listOf(), 'What the container gets at most: [NETWORK=]RATE, 10mbit, none or default'),
  'network-rate-out': flag(listOf(), 'What the container sends at most: [NETWORK=]RATE'),
  'restart-in-place': flag(types.bool, 'Restart the container when something needs that'),
};

const allFlags = { ...updateFlags, ...changeFlags };

type UpdateFlags = FlagValues<typeof allFlags>;

export const update = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Change limits, restart policies, ports, environment, labels and mounts of containers',
  aliases: ['gantry container update', 'gantry update'],
  flags: allFlags,
  args: atLeast(1),
  async run({ session, flags, given, args }) {
    if (given.size === 0) throw new CliError('you must provide one or more flags when using this command');
    const body = { ...updateBody(flags), ...changesBody(flags, session.env) };
    const warnings: string[] = [];
    const failures: string[] = [];
    for (const name of args) {
      try {
        const path = `/containers/${pathPart(name)}/update`;
        const { Warnings, Pending = [] } = await session.client.json<UpdateContainerView>('POST', path, { body });
        session.out(`${name}\n`);
        warnings.push(...(Warnings ?? []));
        for (const what of Pending) session.err(`${name}: waits for the next start: ${what}\n`);
      } catch (error) {
        failures.push(messageOf(error));
      }
    }
    if (warnings.length > 0) session.out(`${warnings.join('\n')}\n`);
    if (failures.length > 0) throw new CliError(failures.join('\n'));
    return 0;
  },
});

const orNull = <T>(list: readonly T[]): readonly T[] | null => (list.length === 0 ? null : list);

/** The same body as docker's: what was not given is zero, which means "as it is". */
function updateBody(flags: UpdateFlags) {
  return {
    CpuShares: flags['cpu-shares'],
    Memory: flags.memory,
    NanoCpus: flags.cpus,
    CgroupParent: '',
    BlkioWeight: flags['blkio-weight'],
    BlkioWeightDevice: orNull(flags['blkio-weight-device']),
    BlkioDeviceReadBps: orNull(flags['device-read-bps']),
    BlkioDeviceWriteBps: orNull(flags['device-write-bps']),
    BlkioDeviceReadIOps: orNull(flags['device-read-iops']),
    BlkioDeviceWriteIOps: orNull(flags['device-write-iops']),
    CpuPeriod: flags['cpu-period'],
    CpuQuota: flags['cpu-quota'],
    CpuRealtimePeriod: flags['cpu-rt-period'],
    CpuRealtimeRuntime: flags['cpu-rt-runtime'],
    CpusetCpus: flags['cpuset-cpus'],
    CpusetMems: flags['cpuset-mems'],
    Devices: null,
    DeviceCgroupRules: null,
    DeviceRequests: null,
    MemoryReservation: flags['memory-reservation'],
    MemorySwap: flags['memory-swap'],
    MemorySwappiness: null,
    OomKillDisable: null,
    PidsLimit: flags['pids-limit'] === 0 ? null : flags['pids-limit'],
    Ulimits: null,
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
    RestartPolicy: flags.restart === '' ? { Name: '', MaximumRetryCount: 0 } : restartPolicy(flags.restart),
  };
}

/** Only what was given: an engine of docker's never sees these fields. */
function changesBody(flags: UpdateFlags, environment: Environment): Partial<ContainerChanges> {
  const removed = readPorts(flags['publish-rm']).bindings;
  const rates = [
    ...flags['network-rate-in'].map((text) => ({ ...rateOf(text), Out: '' })),
    ...flags['network-rate-out'].map((text) => ({ Network: rateOf(text).Network, In: '', Out: rateOf(text).In })),
  ];
  const env = readEnvironment([], flags['env-add'], environment);
  return {
    ...(flags['publish-add'].length === 0 ? {} : { PublishAdd: readPorts(flags['publish-add']).bindings }),
    ...(flags['publish-rm'].length === 0 ? {} : { PublishRemove: removed }),
    ...(env.length === 0 ? {} : { EnvAdd: env }),
    ...(flags['env-rm'].length === 0 ? {} : { EnvRemove: flags['env-rm'] }),
    ...(flags['label-add'].length === 0 ? {} : { LabelAdd: pairs(flags['label-add']) }),
    ...(flags['label-rm'].length === 0 ? {} : { LabelRemove: flags['label-rm'] }),
    ...(flags['mount-add'].length === 0 ? {} : { MountAdd: flags['mount-add'] }),
    ...(flags['mount-rm'].length === 0 ? {} : { MountRemove: flags['mount-rm'] }),
    ...(rates.length === 0 ? {} : { NetworkRates: rates }),
    ...(flags['restart-in-place'] ? { Restart: true } : {}),
  };
}

/** `10mbit`, or `NETWORK=10mbit`. */
function rateOf(text: string): { Network: string; In: string } {
  const at = text.lastIndexOf('=');
  if (text.slice(at + 1) === '') throw new CliError(`invalid rate ${JSON.stringify(text)}: expected [NETWORK=]RATE`);
  return { Network: text.slice(0, Math.max(0, at)), In: text.slice(at + 1) };
}
