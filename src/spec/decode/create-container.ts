import { invalid } from '../../base/errors.ts';
import type { ContainerConfig, CreateContainerRequest, EndpointSettings, HostConfig } from '../engine/container.ts';
import { checkCreateContainer } from './_create-checks.ts';
import { adaptMounts, volumeDriverWarning } from './_mount-versions.ts';
import { containerConfigFields } from './container-config.ts';
import type { Decoder } from './decoder.ts';
import { decode, optional, record, string, struct } from './decoder.ts';
import { endpointSettings } from './endpoint.ts';
import { hostConfig } from './host-config.ts';

/** The body: the fields of `Config` at top level, with `HostConfig` and `NetworkingConfig` beside them. */
interface Body extends ContainerConfig {
  HostConfig: HostConfig;
  NetworkingConfig: { EndpointsConfig: Record<string, EndpointSettings> };
  /** Where clients before API 1.44 say the wanted MAC address. */
  MacAddress?: string;
}

const body: Decoder<Body> = struct<Body>('CreateRequest', {
  ...containerConfigFields,
  HostConfig: hostConfig,
  NetworkingConfig: struct('NetworkingConfig', { EndpointsConfig: record(endpointSettings) }),
  MacAddress: optional(string),
});

export interface CreateContainerContext {
  /** The minor number of the API version that the client speaks (1.x). */
  readonly apiMinor: number;
  readonly name?: string;
  readonly platform?: string;
}

/**
 * The request behind the parsed body of `POST /containers/create`, with Docker's defaults filled in, old clients'
 * habits translated, and checked as far as one can without looking at the host.
 * @throws EngineError `invalid` in Docker's words.
 */
export function decodeCreateContainer(value: unknown, context: CreateContainerContext): CreateContainerRequest {
  if (value === null) throw invalid('config cannot be empty in order to create a container');
  const { HostConfig: host, NetworkingConfig: networking, MacAddress: mac, ...config } = decode(body, value);
  fillDefaults(config, host);
  adaptToVersion(config, host, context.apiMinor);
  const endpoints = requestedEndpoints(host, networking.EndpointsConfig);
  const warnings = containerMacAddress(endpoints, host.NetworkMode, mac ?? '', context.apiMinor);
  const request: CreateContainerRequest = { Config: config, HostConfig: host, EndpointsConfig: endpoints };
  if (context.name !== undefined && context.name !== '') request.name = context.name;
  if (context.platform !== undefined && context.platform !== '') request.platform = context.platform;
  if (context.apiMinor < 44) request.oldReadOnly = true;
  warnings.push(...volumeDriverWarning(host, context.apiMinor));
  if (warnings.length > 0) request.warnings = warnings;
  checkCreateContainer(request);
  return request;
}

function fillDefaults(config: ContainerConfig, host: HostConfig): void {
  config.Volumes ??= Object.create(null) as Record<string, Record<string, never>>;
  if (host.NetworkMode === '' || host.NetworkMode === 'default') host.NetworkMode = 'bridge';
  // No swap limit beside a memory limit means: as much swap again.
  if (host.Memory > 0 && host.MemorySwap === 0) host.MemorySwap = host.Memory * 2;
  // The command line says -1 for "not set".
  if (host.MemorySwappiness === -1) host.MemorySwappiness = null;
  if (host.PidsLimit !== null && host.PidsLimit <= 0) host.PidsLimit = null;
  host.OomKillDisable ??= false;
  if (host.RestartPolicy.Name === '') host.RestartPolicy.Name = 'no';
}

/** Fields that are newer than the client's version are dropped, and defaults that changed are its time's. */
function adaptToVersion(config: ContainerConfig, host: HostConfig, minor: number): void {
  if (host.Mounts !== undefined) adaptMounts(host.Mounts, minor);
  if (minor < 40 && host.IpcMode === '') host.IpcMode = 'shareable';
  if (minor < 40 || host.KernelMemoryTCP === 0) delete host.KernelMemoryTCP;
  if (minor < 41 && host.CgroupnsMode === '') host.CgroupnsMode = 'host';
  if (minor < 42) host.ConsoleSize = [0, 0];
  if (minor < 43) delete host.Annotations;
  if (minor < 44) delete config.Healthcheck?.StartInterval;
}

/** What a client may ask of its endpoints; addresses and ids that an engine reported earlier are not among it. */
function requestedEndpoints(
  host: HostConfig,
  given: Readonly<Record<string, EndpointSettings>>,
): Record<string, EndpointSettings> {
  const endpoints = Object.create(null) as Record<string, EndpointSettings>;
  for (const [name, endpoint] of Object.entries(given)) {
    endpoints[name === 'default' ? host.NetworkMode : name] = {
      ...endpointSettings.zero(),
      IPAMConfig: endpoint.IPAMConfig,
      Links: endpoint.Links,
      Aliases: endpoint.Aliases,
      MacAddress: endpoint.MacAddress,
      DriverOpts: endpoint.DriverOpts,
      GwPriority: endpoint.GwPriority,
      NetworkID: endpoint.NetworkID,
    };
  }
  return endpoints;
}

/** The address that a whole container asks for, as before API 1.44, becomes its main endpoint's. Gives warnings. */
function containerMacAddress(
  endpoints: Record<string, EndpointSettings>,
  network: string,
  mac: string,
  minor: number,
): string[] {
  if (minor < 44) {
    const names = Object.keys(endpoints);
    if (names.length > 1) {
      throw invalid(`Container cannot be created with multiple network endpoints: ${names.join(', ')}`);
    }
    // An endpoint had none of its own then.
    for (const endpoint of Object.values(endpoints)) endpoint.MacAddress = '';
  }
  if (mac === '') return [];
  if (minor >= 52) {
    throw invalid('container-wide MAC address no longer supported; use endpoint-specific MAC address instead');
  }
  const hasEndpoint = network !== 'host' && network !== 'none' && !network.startsWith('container:');
  if (!hasEndpoint && minor < 44) throw invalid('conflicting options: mac-address and the network mode');
  if (hasEndpoint) {
    const endpoint = (endpoints[network] ??= endpointSettings.zero());
    if (endpoint.MacAddress !== '' && endpoint.MacAddress !== mac) {
      throw invalid(
        'the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty',
      );
    }
    endpoint.MacAddress = mac;
  }
  return minor < 44
    ? []
    : ['The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.'];
}
