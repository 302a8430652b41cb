/** One entry of `GET /containers/{id}/exec/json`, an addition of this engine. */
export interface ExecListItem extends ExecInspect {
  /** RFC 3339. */
  Created: string;
}

/** `GET /exec/{id}/json`. */
export interface ExecInspect {
  ID: string;
  Running: boolean;
  /** Null until the process ended. */
  ExitCode: number | null;
  ProcessConfig: {
    tty: boolean;
    entrypoint: string;
    arguments: string[];
    privileged: boolean;
    user?: string;
    env?: string[];
    workingDir?: string;
  };
  OpenStdin: boolean;
  OpenStderr: boolean;
  OpenStdout: boolean;
  CanRemove: boolean;
  ContainerID: string;
  /** Hex characters of the key sequence, as Docker gives them; empty for the default. */
  DetachKeys: string;
  /** 0 when it is not running. */
  Pid: number;
}
