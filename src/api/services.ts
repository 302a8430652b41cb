import type { BuildApi } from './services/build.ts';
import type { ContainerService } from './services/container.ts';
import type { ExecService } from './services/exec.ts';
import type { ImageApi } from './services/image.ts';
import type { NetworkApi } from './services/network.ts';
import type { EventsApi, SystemApi } from './services/system.ts';
import type { VolumeApi } from './services/volume.ts';

/**
 * What the API needs of the rooms behind it. The API owns HTTP: it decodes requests, negotiates versions, moves bytes
 * and maps errors to statuses; a service owns its objects: it finds them by name, id or unambiguous id prefix, checks
 * their state and throws EngineError with Docker's message. A service never sees a request or a response.
 */
export interface ApiServices {
  readonly system: SystemApi;
  readonly events: EventsApi;
  readonly containers: ContainerService;
  readonly execs: ExecService;
  readonly images: ImageApi;
  readonly volumes: VolumeApi;
  readonly networks: NetworkApi;
  readonly builds: BuildApi;
}
