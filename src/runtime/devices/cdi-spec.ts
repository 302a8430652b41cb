/**
 * Descriptions of devices in the Container Device Interface's format (its SPEC.md, versions 0.3 to 1.0): what a device adds to a
 * container.
 */
import { invalid } from '../../base/errors.ts';

export interface CdiDeviceNode {
  readonly path: string;
  readonly hostPath?: string;
  readonly type?: string;
  readonly major?: number;
  readonly minor?: number;
  readonly fileMode?: number;
  readonly permissions?: string;
  readonly uid?: number;
  readonly gid?: number;
}
export interface CdiMount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly options?: readonly string[];
}
export interface CdiHook {
  readonly hookName: string;
  readonly path: string;
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  readonly timeout?: number;
}
export interface CdiEdits {
  readonly env?: readonly string[];
  readonly deviceNodes?: readonly CdiDeviceNode[];
  readonly mounts?: readonly CdiMount[];
  readonly hooks?: readonly CdiHook[];
  readonly additionalGids?: readonly number[];
}
export interface CdiSpec {
  /** `vendor.com/class`. */
  readonly kind: string;
  readonly devices: ReadonlyMap<string, CdiEdits>;
  /** What every device of it brings. */
  readonly edits: CdiEdits;
}

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `document` is what the file's JSON or YAML says. @throws EngineError `invalid` naming the field. */
export function decodeCdiSpec(document: unknown): CdiSpec {
  const spec = object(document, 'the description');
  const kind = string(spec['kind'], 'kind');
  if (!/^[a-zA-Z][a-zA-Z0-9._-]*\/[a-zA-Z][a-zA-Z0-9_-]*$/.test(kind)) throw invalid(`invalid kind ${quoted(kind)}`);
  const devices = new Map<string, CdiEdits>();
  for (const [at, item] of list(spec['devices'], 'devices').entries()) {
    const device = object(item, `devices.${at}`);
    const name = string(device['name'], `devices.${at}.name`);
    if (!/^[a-zA-Z0-9]([a-zA-Z0-9_.:-]*[a-zA-Z0-9])?$/.test(name)) throw invalid(`invalid device name ${quoted(name)}`);
    devices.set(name, editsOf(device['containerEdits'], `devices.${at}.containerEdits`));
  }
  return { kind, devices, edits: editsOf(spec['containerEdits'], 'containerEdits') };
}

const quoted = (text: string): string => JSON.stringify(text.slice(0, 100));

function object(value: unknown, field: string): Json {
  if (!isObject(value)) throw invalid(`${field} must be an object`);
  return value;
}
function list(value: unknown, field: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(`${field} must be a list`);
  return value as readonly unknown[];
}
function string(value: unknown, field: string): string {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) throw invalid(`${field} must be a text`);
  return value;
}
const strings = (value: unknown, field: string): string[] =>
  list(value, field).map((item, at) => string(item, `${field}.${at}`));

function path(value: unknown, field: string): string {
  const text = string(value, field);
  if (!text.startsWith('/')) throw invalid(`${field} must be an absolute path, not ${quoted(text)}`);
  return text;
}
function number(value: unknown, field: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw invalid(`${field} must be a whole number`);
  }
  return value;
}

function editsOf(value: unknown, field: string): CdiEdits {
  if (value === undefined || value === null) return {};
  const edits = object(value, field);
  const each = <T>(name: string, read: (item: Json, at: string) => T): T[] =>
    list(edits[name], `${field}.${name}`).map((item, at) =>
      read(object(item, `${field}.${name}.${at}`), `${field}.${name}.${at}`),
    );
  return {
    env: strings(edits['env'], `${field}.env`),
    deviceNodes: each('deviceNodes', nodeOf),
    mounts: each('mounts', (mount, at) => ({
      hostPath: path(mount['hostPath'], `${at}.hostPath`),
      containerPath: path(mount['containerPath'], `${at}.containerPath`),
      options: strings(mount['options'], `${at}.options`),
    })),
    hooks: each('hooks', hookOf),
    additionalGids: list(edits['additionalGids'], `${field}.additionalGids`).map(
      (gid, at) => number(gid, `${field}.additionalGids.${at}`) ?? 0,
    ),
  };
}

const nodeNumbers = ['major', 'minor', 'fileMode', 'uid', 'gid'] as const;

function nodeOf(node: Json, at: string): CdiDeviceNode {
  const numbers: Partial<Record<(typeof nodeNumbers)[number], number>> = {};
  for (const name of nodeNumbers) {
    const value = number(node[name], `${at}.${name}`);
    if (value !== undefined) numbers[name] = value;
  }
  return {
    path: path(node['path'], `${at}.path`),
    ...numbers,
    ...(node['hostPath'] === undefined ? {} : { hostPath: path(node['hostPath'], `${at}.hostPath`) }),
    ...(node['type'] === undefined ? {} : { type: string(node['type'], `${at}.type`) }),
    ...(node['permissions'] === undefined ? {} : { permissions: string(node['permissions'], `${at}.permissions`) }),
  };
}

function hookOf(hook: Json, at: string): CdiHook {
  const timeout = number(hook['timeout'], `${at}.timeout`);
  return {
    hookName: string(hook['hookName'], `${at}.hookName`),
    path: path(hook['path'], `${at}.path`),
    args: strings(hook['args'], `${at}.args`),
    env: strings(hook['env'], `${at}.env`),
    ...(timeout === undefined ? {} : { timeout }),
  };
}
