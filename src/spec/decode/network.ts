import { invalid } from '../../base/errors.ts';
import type { EndpointSettings } from '../engine/container.ts';
import type { CreateNetworkRequest, Ipam, IpamConfig } from '../engine/network.ts';
import { boolean, decode, list, nullable, optional, record, string, struct } from './decoder.ts';
import { endpointSettings } from './endpoint.ts';

const ipam = struct<Ipam>('IPAM', {
  Driver: string,
  Options: nullable(record(string)),
  Config: nullable(
    list(
      struct<IpamConfig>('IPAMConfig', {
        Subnet: optional(string),
        IPRange: optional(string),
        Gateway: optional(string),
        AuxiliaryAddresses: optional(record(string)),
      }),
    ),
  ),
});

const createNetwork = struct<CreateNetworkRequest>('CreateRequest', {
  Name: string,
  Driver: string,
  Scope: string,
  EnableIPv4: optional(boolean),
  EnableIPv6: optional(boolean),
  IPAM: ipam,
  Internal: boolean,
  Attachable: boolean,
  Ingress: boolean,
  ConfigOnly: boolean,
  ConfigFrom: nullable(struct<{ Network: string }>('ConfigReference', { Network: string })),
  Options: record(string),
  Labels: record(string),
});

/** The body of `POST /networks/create` of a client that speaks 1.`minor`. @throws EngineError `invalid`. */
export function decodeCreateNetwork(value: unknown, minor: number): CreateNetworkRequest {
  const request = decode(createNetwork, value);
  if (minor < 48) delete request.EnableIPv4;
  return request;
}

/** The body of `POST /networks/{id}/connect`. */
export interface ConnectRequest {
  Container: string;
  EndpointConfig: EndpointSettings | null;
}

const connect = struct<ConnectRequest>('ConnectRequest', {
  Container: string,
  EndpointConfig: nullable(endpointSettings),
});

/** @throws EngineError `invalid`. */
export function decodeConnect(value: unknown, minor: number): ConnectRequest {
  const request = decode(connect, value);
  named(request.Container);
  // Older clients repeat here what an engine told them.
  if (minor < 54 && request.EndpointConfig !== null) request.EndpointConfig.MacAddress = '';
  return request;
}

/** The body of `POST /networks/{id}/disconnect`. */
export interface DisconnectRequest {
  Container: string;
  Force: boolean;
}

const disconnect = struct<DisconnectRequest>('DisconnectRequest', { Container: string, Force: boolean });

/** @throws EngineError `invalid`. */
export function decodeDisconnect(value: unknown): DisconnectRequest {
  const request = decode(disconnect, value);
  named(request.Container);
  return request;
}

/** The body of `POST /networks/{id}/update`. */
export interface UpdateNetworkRequest {
  Options: Record<string, string>;
}

const update = struct<UpdateNetworkRequest>('UpdateNetworkRequest', { Options: record(string) });

/** @throws EngineError `invalid`. */
export const decodeUpdateNetwork = (value: unknown): UpdateNetworkRequest => decode(update, value);

function named(container: string): void {
  if (container === '') throw invalid('invalid name or ID supplied: ""');
}
