import { invalid } from '../../base/errors.ts';
import type { CreateExecRequest } from '../engine/container.ts';
import { boolean, decode, list, optional, pair, string, struct, words } from './decoder.ts';

const createExec = struct<CreateExecRequest>('ExecCreateRequest', {
  User: string,
  Privileged: boolean,
  Tty: boolean,
  ConsoleSize: optional(pair),
  AttachStdin: boolean,
  AttachStdout: boolean,
  AttachStderr: boolean,
  DetachKeys: optional(string),
  Env: list(string),
  WorkingDir: string,
  Cmd: words,
  KillOnDisconnect: optional(boolean),
});

/** The body of `POST /containers/{id}/exec`. @throws EngineError `invalid`. */
export function decodeCreateExec(value: unknown): CreateExecRequest {
  const request = decode(createExec, value);
  if (request.Cmd.length === 0) throw invalid('no exec command specified');
  if (request.DetachKeys === '') delete request.DetachKeys;
  if (!request.Tty) delete request.ConsoleSize;
  return request;
}

/** The body of `POST /exec/{id}/start`. */
export interface StartExecRequest {
  Detach: boolean;
  Tty: boolean;
  /** Rows and columns. */
  ConsoleSize?: [number, number];
}

const startExec = struct<StartExecRequest>('ExecStartRequest', {
  Detach: boolean,
  Tty: boolean,
  ConsoleSize: optional(pair),
});

/** @throws EngineError `invalid`. */
export function decodeStartExec(value: unknown): StartExecRequest {
  const request = decode(startExec, value);
  if (!request.Tty) delete request.ConsoleSize;
  return request;
}
