import type { EndpointIpamConfig, EndpointSettings } from '../engine/container.ts';
import { int64, list, nullable, optional, record, string, struct } from './decoder.ts';

/** One endpoint as requests describe it: at container create and at network connect. */
export const endpointSettings = struct<EndpointSettings>('EndpointSettings', {
  IPAMConfig: nullable(
    struct<EndpointIpamConfig>('EndpointIPAMConfig', {
      IPv4Address: optional(string),
      IPv6Address: optional(string),
      LinkLocalIPs: optional(list(string)),
    }),
  ),
  Links: nullable(list(string)),
  Aliases: nullable(list(string)),
  MacAddress: string,
  DriverOpts: nullable(record(string)),
  GwPriority: int64,
  NetworkID: string,
  EndpointID: string,
  Gateway: string,
  IPAddress: string,
  IPPrefixLen: int64,
  IPv6Gateway: string,
  GlobalIPv6Address: string,
  GlobalIPv6PrefixLen: int64,
  DNSNames: nullable(list(string)),
});
