import type { ContainerConfig, HealthConfig } from '../engine/container.ts';
import {
  type Decoder,
  type Fields,
  boolean,
  int64,
  list,
  nameSet,
  nullable,
  optional,
  record,
  string,
  struct,
  words,
} from './decoder.ts';

const healthConfig = struct<HealthConfig>('HealthConfig', {
  Test: optional(list(string)),
  Interval: optional(int64),
  Timeout: optional(int64),
  StartPeriod: optional(int64),
  StartInterval: optional(int64),
  Retries: optional(int64),
  OnFailure: optional(string as Decoder<NonNullable<HealthConfig['OnFailure']>>),
});

/** The fields of `Config`, which a create request has at top level. */
export const containerConfigFields: Fields<Omit<ContainerConfig, 'MacAddress'>> = {
  Hostname: string,
  Domainname: string,
  User: string,
  AttachStdin: boolean,
  AttachStdout: boolean,
  AttachStderr: boolean,
  ExposedPorts: optional(nameSet),
  Tty: boolean,
  OpenStdin: boolean,
  StdinOnce: boolean,
  Env: list(string),
  Cmd: nullable(words),
  Healthcheck: optional(healthConfig),
  ArgsEscaped: optional(boolean),
  Image: string,
  Volumes: nullable(nameSet),
  WorkingDir: string,
  Entrypoint: nullable(words),
  NetworkDisabled: optional(boolean),
  OnBuild: optional(nullable(list(string))),
  Labels: record(string),
  StopSignal: optional(string),
  StopTimeout: optional(int64),
  Shell: optional(words),
};
