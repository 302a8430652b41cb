import { invalid } from '../../base/errors.ts';
import { csvFields } from '../../base/text/csv.ts';
import type { DeviceMapping } from '../../spec/engine/container.ts';
import { CliError } from '../errors.ts';
import { parsedBy, parseInteger } from '../flags/types.ts';
import { pairs } from '../key-values.ts';
import { cut } from './validate.ts';

/** A request for devices that a driver of the engine hands out, such as GPUs. */
export interface DeviceRequest {
  Driver: string;
  Count: number;
  DeviceIDs: string[] | null;
  Capabilities: string[][] | null;
  Options: Record<string, string> | null;
}

const isMode = (text: string): boolean => /^[rwm]{1,3}$/.test(text) && new Set(text).size === text.length;
/** `vendor.com/class=name`: a device of the Container Device Interface. */
const isCdi = (text: string): boolean =>
  /^[A-Za-z][A-Za-z0-9_.-]*\/[A-Za-z][A-Za-z0-9_-]*=[A-Za-z0-9][A-Za-z0-9_.:-]*$/.test(text);

/** Splits `--device` texts into device nodes and CDI requests. @throws CliError */
export function readDevices(texts: readonly string[]): { mappings: DeviceMapping[]; requests: DeviceRequest[] } {
  const names = texts.filter(isCdi);
  const mappings = texts.filter((text) => !isCdi(text)).map(readDevice);
  const cdi = { Driver: 'cdi', Count: 0, DeviceIDs: names, Capabilities: null, Options: null };
  return { mappings, requests: names.length === 0 ? [] : [cdi] };
}

function readDevice(text: string): DeviceMapping {
  const parts = text.split(':');
  if (parts.length > 3 || parts[0] === '') throw new CliError(`bad format for path: ${text}`);
  const [source = '', second = '', third] = parts;
  const secondIsMode = parts.length === 2 && isMode(second);
  if (third !== undefined && !isMode(third)) throw new CliError(`bad mode specified: ${third}`);
  const target = parts.length === 1 || secondIsMode ? source : second;
  if (!target.startsWith('/')) throw new CliError(`${target} is not an absolute path`);
  const clean = (path: string) => process.getBuiltinModule('node:path').posix.normalize(path);
  return {
    PathOnHost: parts.length === 1 || secondIsMode ? clean(source) : source,
    PathInContainer: parts.length === 3 ? target : clean(target),
    CgroupPermissions: third ?? (secondIsMode ? second : 'rwm'),
  };
}

/** `--gpus all`, `--gpus 2`, `--gpus driver=...,count=...`. */
export const gpusType = parsedBy<DeviceRequest[]>('gpu-request', [], (text, current) => {
  const request: DeviceRequest = { Driver: '', Count: 0, DeviceIDs: null, Capabilities: null, Options: null };
  const seen = new Set<string>();
  for (const field of csvFields(text)) {
    const { before: key, after: value, found } = cut(field, '=');
    if (seen.has(key)) throw invalid(`gpu request key '${key}' can be specified only once`);
    seen.add(key);
    if (!found) {
      seen.add('count');
      request.Count = gpuCount(key);
    } else setGpu(request, key, value, field);
  }
  if (!seen.has('count') && request.DeviceIDs === null) request.Count = 1;
  request.Options ??= {};
  request.Capabilities ??= [['gpu']];
  return [...current, request];
});

function setGpu(request: DeviceRequest, key: string, value: string, field: string): void {
  if (key === 'driver') request.Driver = value;
  else if (key === 'count') request.Count = gpuCount(value);
  else if (key === 'device') request.DeviceIDs = value.split(',');
  else if (key === 'capabilities') request.Capabilities = [[...value.split(','), 'gpu']];
  else if (key === 'options') request.Options = pairs(csvFields(value));
  else throw invalid(`unexpected key '${key}' in '${field}'`);
}

function gpuCount(text: string): number {
  if (text === 'all') return -1;
  try {
    return parseInteger(text, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  } catch {
    throw invalid(`invalid count (${text}): value must be either "all" or an integer: invalid syntax`);
  }
}
