import { flag, types } from '../flags/types.ts';
import { bytesRateType, cpusType, operationsRateType, weightType } from './validate.ts';

const { bytes, int, string, swapBytes, uint16 } = types;

/** The limits that `create` and `run` set and `update` changes. */
export const limitFlags = {
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
};
