import { invalid } from '../../base/errors.ts';
import type { RestartPolicy } from '../engine/container.ts';
import { changeableLimits, type ContainerLimits, type UpdateContainerRequest } from '../engine/update.ts';
import { decode, type Fields, struct } from './decoder.ts';
import { hostConfigFields } from './host-config.ts';

/** Kernel memory, which old clients know of, is a limit that no kernel has any more. */
interface Body extends ContainerLimits {
  RestartPolicy: RestartPolicy;
}

const limitFields = Object.fromEntries(
  changeableLimits.map((name) => [name, hostConfigFields[name]]),
) as unknown as Fields<ContainerLimits>;

const body = struct<Body>('UpdateConfig', {
  ...limitFields,
  RestartPolicy: hostConfigFields.RestartPolicy,
});

/**
 * The request behind the parsed body of `POST /containers/{id}/update` of API version 1.`apiMinor`.
 * @throws EngineError `invalid` in Docker's words.
 */
export function decodeUpdateContainer(value: unknown, apiMinor: number): UpdateContainerRequest {
  if (value === undefined) throw invalid('invalid JSON: got EOF while reading request body');
  const { RestartPolicy, ...limits } = decode(body, value);
  if (apiMinor < 40) limits.PidsLimit = null;
  if (limits.PidsLimit !== null && limits.PidsLimit < 0) limits.PidsLimit = 0;
  return { limits, restartPolicy: RestartPolicy };
}
