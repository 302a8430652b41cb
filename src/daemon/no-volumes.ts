import type { VolumeApi } from '../api/services.ts';
import { EngineError, notFound } from '../base/errors.ts';
import type { Volumes } from '../spec/contract/storage.ts';

const absent = () => new EngineError('not-implemented', 'volumes are not implemented yet');

/** Stand where volumes will be: every wish for one is refused. */
export const noVolumes: Volumes = {
  ensure: () => Promise.reject(absent()),
  get: () => undefined,
  list: () => [],
  remove: (name) => Promise.reject(notFound(`get ${name}: no such volume`)),
  retain: () => undefined,
  release: () => undefined,
  users: () => [],
  copyUp: () => Promise.reject(absent()),
};
export const noVolumeApi: VolumeApi = {
  list: async () => ({ Volumes: [], Warnings: null }),
  create: () => Promise.reject(absent()),
  inspect: (name) => Promise.reject(notFound(`get ${name}: no such volume`)),
  remove: (name) => Promise.reject(notFound(`get ${name}: no such volume`)),
  prune: () => Promise.reject(absent()),
};
