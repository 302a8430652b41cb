import type { ContainerConfig } from '../engine/container.ts';
import { containerConfigFields } from './container-config.ts';
import { decode, struct } from './decoder.ts';

const config = struct<Omit<ContainerConfig, 'MacAddress'>>('Config', containerConfigFields);

/** The body of `POST /commit`; undefined when there is none, or null. @throws EngineError `invalid`, naming the field. */
export const decodeCommitConfig = (body: unknown): ContainerConfig | undefined =>
  body === undefined || body === null ? undefined : decode(config, body);
