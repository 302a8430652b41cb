import { invalid } from '../../base/errors.ts';
import { parseBinarySize } from '../../base/text/units.ts';
import { checkedLimit } from '../../container/create/limit.ts';
import { type LayerCompression, layerCompressions } from '../../spec/oci/layer-compression.ts';
import { choiceOf, listOf, textOf } from './read.ts';
import type { SettingValues } from './setting.ts';

/** How layers are kept and stacked; left out is chosen by what the host can do. */
export interface StorageSettings {
  readonly kind?: 'erofs' | 'dir';
  readonly erofs?: 'file-direct' | 'file' | 'loop';
  readonly overlay?: 'append' | 'links';
  /** Bytes that a container may write to its layer when it says nothing else. */
  readonly writableLimit?: number;
  /** Of layers that are made here: commits and imports. */
  readonly layerCompression?: LayerCompression | undefined;
}

/** Docker's drivers that this engine has an own way for. */
const dockerDrivers: ReadonlyMap<string, StorageSettings> = new Map<string, StorageSettings>([
  ['overlay2', {}],
  ['overlayfs', {}],
  ['overlay', {}],
  ['vfs', { kind: 'dir' }],
]);

/** What the log says about a driver of Docker's. */
export function storageDriverNote(name: unknown): string | undefined {
  if (name === 'vfs') return 'vfs is not a driver here: layers are kept as directories, and stacked by overlayfs';
  if (typeof name !== 'string' || !dockerDrivers.has(name)) return undefined;
  return `${name} stacks the layers here too; how they are kept is chosen by what the host can do`;
}

/** @throws invalid for a driver or an option that this engine has not */
export function storageSettings(values: SettingValues): StorageSettings {
  const name = textOf(values, 'storage-driver');
  return {
    ...driverOf(name),
    ...optionsOf(listOf(values, 'storage-opt')),
    layerCompression: choiceOf(values, 'layer-compression', layerCompressions),
  };
}

function driverOf(name: string | undefined): StorageSettings {
  if (name === undefined) return {};
  if (name === 'erofs' || name === 'dir') return { kind: name };
  const mapped = dockerDrivers.get(name.toLowerCase());
  if (mapped !== undefined) return mapped;
  throw invalid(
    `error initializing graphdriver: driver not supported: ${JSON.stringify(name.slice(0, 100))}: this engine has erofs and dir, and takes overlay2, overlayfs and vfs for them`,
  );
}

const choices = {
  'erofs.mount': ['file-direct', 'file', 'loop'],
  'overlay.mount': ['append', 'links'],
} as const;

function optionsOf(options: readonly string[]): StorageSettings {
  const settings: { -readonly [Name in keyof StorageSettings]: StorageSettings[Name] } = {};
  for (const option of options) {
    const equals = option.indexOf('=');
    const [name, value] = [option.slice(0, equals).toLowerCase(), option.slice(equals + 1)];
    if (equals < 1) throw invalid(`invalid --storage-opt: ${JSON.stringify(option)}: expected NAME=VALUE`);
    switch (name) {
      case 'erofs.mount':
        settings.erofs = chosen(name, value, choices[name]);
        break;
      case 'overlay.mount':
        settings.overlay = chosen(name, value, choices[name]);
        break;
      case 'size':
      case 'overlay2.size': {
        const limit = checkedLimit(parseBinarySize(value), value);
        if (limit !== undefined) settings.writableLimit = limit;
        break;
      }
      // Docker's driver looks away from an old kernel then; here every kernel is tried.
      case 'overlay2.override_kernel_check':
        break;
      default:
        throw invalid(`unknown --storage-opt: ${JSON.stringify(name.slice(0, 100))}`);
    }
  }
  return settings;
}

function chosen<Word extends string>(name: string, value: string, words: readonly Word[]): Word {
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  throw invalid(`invalid --storage-opt ${name}=${value.slice(0, 100)}: expected one of ${words.join(', ')}`);
}
