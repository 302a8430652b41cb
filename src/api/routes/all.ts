import type { Handler } from '../http/exchange.ts';
import type { OperationId } from '../operations.ts';
import type { ApiServices } from '../services.ts';
import { buildHandlers } from './builds.ts';
import { containerHandlers } from './containers.ts';
import { containerControlHandlers } from './container-controls.ts';
import { containerFileHandlers } from './container-files.ts';
import { containerStreamHandlers } from './container-streams.ts';
import { distributionHandlers } from './distribution.ts';
import { execHandlers } from './exec.ts';
import type { Handlers } from './handlers.ts';
import { imageTrustHandlers } from './image-trust.ts';
import { imageContentHandlers } from './image-content.ts';
import { imageMountHandlers } from './image-mounts.ts';
import { imageHandlers } from './images.ts';
import { networkHandlers } from './networks.ts';
import { pluginHandlers } from './plugins.ts';
import { systemHandlers } from './system.ts';
import { systemCheckHandlers } from './system-check.ts';
import { systemUsageHandlers } from './system-usage.ts';
import { volumeCopyHandlers } from './volume-copies.ts';
import { volumeHandlers } from './volumes.ts';

/** The operations that this engine has. */
export function allHandlers(services: ApiServices): ReadonlyMap<OperationId, Handler> {
  const handlers: Handlers = {
    ...systemHandlers(services.system, services.events),
    ...systemUsageHandlers(services.system),
    ...containerHandlers(services.containers),
    ...containerControlHandlers(services.containers),
    ...containerStreamHandlers(services.containers),
    ...containerFileHandlers(services.containers),
    ...execHandlers(services.execs),
    ...imageHandlers(services.images),
    ...imageContentHandlers(services.images),
    ...imageMountHandlers(services.images),
    ...distributionHandlers(services.images),
    ...imageTrustHandlers(services.images),
    ...systemCheckHandlers(services.images),
    ...volumeHandlers(services.volumes),
    ...volumeCopyHandlers(services.volumes),
    ...networkHandlers(services.networks),
    ...buildHandlers(services.builds),
    ...pluginHandlers,
  };
  return new Map(Object.entries(handlers) as [OperationId, Handler][]);
}
