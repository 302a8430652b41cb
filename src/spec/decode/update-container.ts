import { invalid } from '../../base/errors.ts';
import type { RestartPolicy } from '../engine/container.ts';
import {
  changeableLimits,
  type ContainerChanges,
  type ContainerLimits,
  type RateChange,
  type UpdateContainerRequest,
} from '../engine/update.ts';
import { boolean, decode, type Fields, list, record, string, struct } from './decoder.ts';
import { hostConfigFields, mountSpec } from './host-config.ts';

/** Kernel memory, which old clients know of, is a limit that no kernel has any more. */
interface Body extends ContainerLimits, ContainerChanges {
  RestartPolicy: RestartPolicy;
}

const limitFields = Object.fromEntries(
  changeableLimits.map((name) => [name, hostConfigFields[name]]),
) as unknown as Fields<ContainerLimits>;

const changeFields: Fields<ContainerChanges> = {
  PublishAdd: hostConfigFields.PortBindings,
  PublishRemove: hostConfigFields.PortBindings,
  EnvAdd: list(string),
  EnvRemove: list(string),
  LabelAdd: record(string),
  LabelRemove: list(string),
  MountAdd: list(mountSpec),
  MountRemove: list(string),
  NetworkRates: list(struct<RateChange>('RateChange', { Network: string, In: string, Out: string })),
  Restart: boolean,
};

const body = struct<Body>('UpdateConfig', {
  ...limitFields,
  ...changeFields,
  RestartPolicy: hostConfigFields.RestartPolicy,
});

/**
 * The request behind the parsed body of `POST /containers/{id}/update` of API version 1.`apiMinor`.
 * @throws EngineError `invalid` in Docker's words.
 */
export function decodeUpdateContainer(value: unknown, apiMinor: number): UpdateContainerRequest {
  if (value === undefined) throw invalid('invalid JSON: got EOF while reading request body');
  const { RestartPolicy: restartPolicy, ...fields } = decode(body, value);
  const limits = pick<ContainerLimits>(fields, Object.keys(limitFields));
  const changes = pick<ContainerChanges>(fields, Object.keys(changeFields));
  if (apiMinor < 40) limits.PidsLimit = null;
  if (limits.PidsLimit !== null && limits.PidsLimit < 0) limits.PidsLimit = 0;
  const asksForChanges = Object.values(changes).some((field: object | boolean) =>
    typeof field === 'boolean' ? field : Object.keys(field).length > 0,
  );
  return { limits, restartPolicy, changes: asksForChanges ? changes : undefined };
}

const pick = <T>(from: object, names: readonly string[]): T =>
  Object.fromEntries(Object.entries(from).filter(([name]) => names.includes(name))) as T;
