import type { Semaphore } from '../../base/async.ts';
import type { BaseImage, BuildContent, BuiltLayer, StepMount, StepRequest } from '../../spec/contract/build.ts';
import type { FileView } from '../../spec/contract/files.ts';
import type { ContextTree } from '../context/tree.ts';
import type { SourcePlace } from '../control/failure.ts';
import type { BuildJob, StepOutput } from '../control/job.ts';
import type { Range } from '../dockerfile/source.ts';
import type { Graph } from '../graph/graph.ts';
import type { Operation } from '../graph/operation.ts';
import type { AgentSocket, SocketPlace } from '../session/ssh.ts';
import type { RemoteDefinition } from '../sources/fetch.ts';
import type { NamesIn } from './missing-file.ts';
import type { SolvePorts } from './ports.ts';

/** What an operation has added to its base, in this build or an earlier one. */
export interface AddedLayer {
  /** Undefined when it changed no file. */
  readonly layer: BuiltLayer | undefined;
  readonly createdNs: bigint;
}

/** A root file system that an operation has made. */
export interface BuiltRoot {
  readonly kind: 'root';
  /** Lowest first. */
  readonly layers: readonly BuiltLayer[];
  /** Stands for everything that it depends on: 64 hex digits. */
  readonly key: string;
  /** What its operation added; undefined for an operation that adds nothing. */
  readonly added: AddedLayer | undefined;
}

/** Files that are no root: what a client has sent, or the text of a heredoc. */
export type BuiltSource =
  | BuiltRoot
  | {
      readonly kind: 'context';
      readonly tree: ContextTree;
      /** Paths in it are meant as they are: nothing in them is a pattern. */
      readonly isExact?: boolean;
      /** What was there to be taken. */
      readonly names: NamesIn;
    }
  | { readonly kind: 'inline'; readonly name: string; readonly content: string; readonly mode: number };

/** The bytes of a secret by its id; undefined when the client has none of that id. */
export type Secrets = (id: string, signal: AbortSignal) => Promise<Uint8Array | undefined>;

/** Opens a way to the client's agent of that id, as a socket below `directory`; undefined when it has none. */
export type Agents = (id: string, at: SocketPlace) => Promise<AgentSocket | undefined>;

/** What commands may do that not every build allows. */
export interface Allowed {
  readonly insecure: boolean;
  readonly devices: boolean;
  readonly hostNetwork: boolean;
}

/** What one build has at hand. */
export interface EvaluationInput {
  readonly graph: Graph;
  readonly job: BuildJob;
  readonly content: BuildContent;
  /** An image by its reference and platform, which was looked up for the plan. */
  readonly image: (reference: string, platform: string) => BaseImage | undefined;
  /** The files of a context, by its name; asked for once. */
  readonly context: (name: string) => Promise<ContextTree>;
  /** The paths in a folder of a context, also those that are not in its tree. */
  readonly names: (context: string, folder: string) => Promise<readonly string[]>;
  /** Files that lie elsewhere; there as long as the build runs. */
  readonly fetch: (definition: RemoteDefinition) => Promise<ContextTree>;
  readonly secrets: Secrets;
  readonly agents: Agents;
  readonly allowed: Allowed;
  /** What steps have made elsewhere, by their keys. */
  readonly imported: (key: string) => Promise<AddedLayer | undefined>;
  /** Aborts when the build is given up, or one of its steps has failed. */
  readonly signal: AbortSignal;
  /** Gives up what is being made. */
  readonly stop: () => void;
  /** Steps of this build alone that run at the same time. */
  readonly slots: Semaphore;
  readonly place: (range: Range | undefined) => SourcePlace | undefined;
  /** Volumes that all commands see. */
  readonly volumes: readonly (StepMount & { readonly kind: 'volume' })[];
  /** What all commands get besides what their instructions say. */
  readonly hostConfig: StepRequest['hostConfig'];
  /** What they may use; it is in no key. */
  readonly limits: StepRequest['hostConfig'];
}

/** What an operation that changes a root needs. */
export interface OperationScope {
  readonly ports: SolvePorts;
  readonly input: EvaluationInput;
  readonly operation: Operation;
  readonly base: BuiltRoot;
  /** Makes an input, which another operation may have made already. */
  source(input: number): Promise<BuiltSource>;
  readonly onView: <T>(root: BuiltRoot, look: (view: FileView | undefined) => Promise<T>) => Promise<T>;
  /**
   * The layer that the operation makes, out of the cache if it is there. `parts` is all that it depends on. When that is not
   * known, `closer` may look at what it depends on with more effort, and give less that may differ.
   */
  readonly cached: (
    parts: readonly unknown[],
    make: (output: StepOutput) => Promise<BuiltLayer | undefined>,
    closer?: () => Promise<readonly unknown[]>,
  ) => Promise<BuiltRoot>;
}
