import { messageOf } from '../../base/errors.ts';
import { pathPart } from '../../client/target.ts';
import type { UpdateContainerView } from '../../spec/engine/update.ts';
import { atLeast, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import type { FlagValues } from '../flags/types.ts';
import { flag, types } from '../flags/types.ts';
import { restartPolicy } from './_restart-policy.ts';
import { bytesRateType, cpusType, operationsRateType, weightType } from './_validate.ts';

const { bytes, int, string, swapBytes, uint16 } = types;

const updateFlags = {
  'blkio-weight': flag(uint16, 'Share of disk time, 10 to 1000, or 0 to leave it alone', { shown: '0' }),
  'blkio-weight-device': flag(weightType, 'Share of one disk: PATH:WEIGHT', { shown: '[]' }),
  'cpu-period': flag(int, 'Length of a CFS period in microseconds'),
  'cpu-quota': flag(int, 'Microseconds of processor time a CFS period'),
  'cpu-rt-period': flag(int, 'Length of a real-time period in microseconds'),
  'cpu-rt-runtime': flag(int, 'Microseconds of real-time processor time a period'),
  'cpu-shares': flag(int, 'Share of processor time', { short: 'c' }),
  cpus: flag(cpusType, 'Number of processors'),
  'cpuset-cpus': flag(string, 'Processors to run on (0-3, 0,1)'),
  'cpuset-mems': flag(string, 'Memory nodes to use (0-3, 0,1)'),
  'device-read-bps': flag(bytesRateType, 'Bytes a second read from a device: PATH:RATE', { shown: '[]' }),
  'device-read-iops': flag(operationsRateType, 'Reads a second from a device: PATH:RATE', { shown: '[]' }),
  'device-write-bps': flag(bytesRateType, 'Bytes a second written to a device: PATH:RATE', { shown: '[]' }),
  'device-write-iops': flag(operationsRateType, 'Writes a second to a device: PATH:RATE', { shown: '[]' }),
  'kernel-memory': flag(bytes, 'Limit of kernel memory (ignored)', { hidden: true }),
  memory: flag(bytes, 'Limit of memory', { short: 'm' }),
  'memory-reservation': flag(bytes, 'Memory that is left to the container when memory runs short'),
  'memory-swap': flag(swapBytes, 'Limit of memory and swap together; -1 for no limit of swap'),
  'pids-limit': flag(int, 'Limit of processes; -1 for none'),
  restart: flag(string, 'When to start again: no, on-failure[:max-retries], always, unless-stopped'),
};

type UpdateFlags = FlagValues<typeof updateFlags>;

export const update = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Change limits and restart policies of containers',
  aliases: ['gantry container update', 'gantry update'],
  flags: updateFlags,
  args: atLeast(1),
  async run({ session, flags, given, args }) {
    if (given.size === 0) throw new CliError('you must provide one or more flags when using this command');
    const body = updateBody(flags);
    const warnings: string[] = [];
    const failures: string[] = [];
    for (const name of args) {
      try {
        const path = `/containers/${pathPart(name)}/update`;
        const { Warnings } = await session.client.json<UpdateContainerView>('POST', path, { body });
        session.out(`${name}\n`);
        warnings.push(...(Warnings ?? []));
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
