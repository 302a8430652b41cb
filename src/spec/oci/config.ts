import { invalid } from '../../base/errors.ts';
import type { DiffId } from '../../base/ids.ts';
import type { ImageConfig, ImageHistoryEntry, ImageRunConfig } from './image.ts';
import {
  defined,
  digestOf,
  objectOf,
  optionalBoolean,
  optionalKeySet,
  optionalList,
  optionalObject,
  optionalString,
  optionalStringMap,
  optionalStrings,
  parseJsonObject,
  requiredString,
} from './json.ts';

const mostLayers = 1000;
const mostHistory = 10_000;

/**
 * Reads an image configuration (OCI image-spec, config.md, and Docker's additions) from untrusted bytes. What real
 * images leave out or write as null is absent; a wrong type is an error. @throws EngineError `invalid`
 */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const json = parseJsonObject(bytes, 'image config');
  const rootfs = objectOf(json['rootfs'], 'image config: rootfs');
  if (rootfs['type'] !== 'layers') throw invalid('image config: rootfs.type must be "layers"');
  const diffIds = optionalList(rootfs['diff_ids'], 'image config: rootfs.diff_ids', mostLayers, digestOf) ?? [];
  const history = optionalList(json['history'], 'image config: history', mostHistory, historyEntryOf) ?? [];
  return defined({
    created: optionalString(json['created'], 'image config: created'),
    author: optionalString(json['author'], 'image config: author'),
    architecture: requiredString(json['architecture'], 'image config: architecture'),
    os: requiredString(json['os'], 'image config: os'),
    variant: optionalString(json['variant'], 'image config: variant') || undefined,
    'os.version': optionalString(json['os.version'], 'image config: os.version') || undefined,
    config: runConfigOf(json['config'], 'image config: config'),
    rootfs: { type: 'layers' as const, diff_ids: diffIds as DiffId[] },
    history,
  }) as ImageConfig;
}

function runConfigOf(value: unknown, what: string): ImageRunConfig {
  const json = optionalObject(value, what);
  if (json === undefined) return {};
  return defined({
    User: optionalString(json['User'], `${what}.User`),
    ExposedPorts: optionalKeySet(json['ExposedPorts'], `${what}.ExposedPorts`),
    Env: optionalStrings(json['Env'], `${what}.Env`),
    Entrypoint: optionalStrings(json['Entrypoint'], `${what}.Entrypoint`),
    Cmd: optionalStrings(json['Cmd'], `${what}.Cmd`),
    Volumes: optionalKeySet(json['Volumes'], `${what}.Volumes`),
    WorkingDir: optionalString(json['WorkingDir'], `${what}.WorkingDir`),
    Labels: optionalStringMap(json['Labels'], `${what}.Labels`),
    StopSignal: optionalString(json['StopSignal'], `${what}.StopSignal`),
    ArgsEscaped: optionalBoolean(json['ArgsEscaped'], `${what}.ArgsEscaped`),
    Healthcheck: optionalObject(json['Healthcheck'], `${what}.Healthcheck`),
    OnBuild: optionalStrings(json['OnBuild'], `${what}.OnBuild`),
    Shell: optionalStrings(json['Shell'], `${what}.Shell`),
  }) as ImageRunConfig;
}

function historyEntryOf(value: unknown, what: string): ImageHistoryEntry {
  const json = objectOf(value, what);
  return defined({
    created: optionalString(json['created'], `${what}.created`),
    created_by: optionalString(json['created_by'], `${what}.created_by`),
    author: optionalString(json['author'], `${what}.author`),
    comment: optionalString(json['comment'], `${what}.comment`),
    empty_layer: optionalBoolean(json['empty_layer'], `${what}.empty_layer`),
  }) as ImageHistoryEntry;
}
