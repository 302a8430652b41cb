import type { ContainerConfig, HealthConfig } from '../engine/container.ts';
import { boolean, int64, list, nameSet, nullable, optional, record, string, struct, words } from './decoder.ts';

const healthConfig = struct<HealthConfig>('HealthConfig', {
  Test: optional(list(string)),
  Interval: optional(int64),
  Timeout: optional(int64),
  StartPeriod: optional(int64),
  StartInterval: optional(int64),
  Retries: optional(int64),
});

/** `Config` of a create request; `MacAddress` is where clients before API 1.44 put it. */
export const containerConfigFields = {
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

/** `Config`, alone. */
export const containerConfig = struct<ContainerConfig>('Config', containerConfigFields);
