import type { Digest } from '../../base/ids.ts';
import type { Range } from '../dockerfile/source.ts';

/**
 * A step of a build. Its definition says all that its result depends on, besides its inputs and the content of sources;
 * what it does not say (names, places in the Dockerfile, proxies) may differ between two builds that share the result.
 */
export interface Operation {
  /** Place in the graph. Inputs stand before. */
  readonly index: number;
  readonly definition: Definition;
  /** Places of the operations whose results it works on. */
  readonly inputs: readonly number[];
  /** The digest of the definition and of the digests of its inputs, the same in every build (`digestOf`). */
  readonly digest: Digest;
  readonly about: About;
}

/** What people are shown of an operation, and what only this build asks of it. */
export interface About {
  /** `[build 2/5] RUN make`. */
  readonly title: string;
  /** The instruction, in the Dockerfile. */
  readonly range: Range | undefined;
  /** Its result may not come from the cache. */
  readonly noCache: boolean;
  /** Variables of proxies: a program sees them, but what it makes does not depend on them. */
  readonly proxies?: readonly string[];
}

export type Definition = SourceDefinition | FileDefinition | RunDefinition | MergeDefinition;

/** Operations without inputs. */
export type SourceDefinition =
  | { readonly kind: 'scratch' }
  /** The file system of an image. With a digest in its reference its content is known from the start. */
  | { readonly kind: 'image'; readonly reference: string; readonly platform: string }
  /** Files that the client has or names: `context`, or a context by name; where they are is the solver's to say. */
  | { readonly kind: 'context'; readonly name: string; readonly locator?: string }
  /** One file, under the name that its address gives it. */
  | { readonly kind: 'http'; readonly url: string; readonly filename: string; readonly checksum?: string }
  | {
      readonly kind: 'git';
      readonly remote: string;
      readonly ref?: string;
      readonly folder?: string;
      readonly checksum?: string;
      readonly keepGitDir?: boolean;
      readonly skipSubmodules?: boolean;
    }
  /** A file whose text is in the Dockerfile. */
  | { readonly kind: 'inline'; readonly name: string; readonly content: string; readonly mode: number };

/** Changes of files without running anything; the first input is what is changed. */
export type FileDefinition =
  | { readonly kind: 'copy'; readonly actions: readonly CopyAction[] }
  | { readonly kind: 'mkdir'; readonly path: string; readonly mode: number; readonly user?: string };

export interface CopyAction {
  /** Which of the operation's inputs has the files; at least 1. */
  readonly from: number;
  /** Absolute inside the source. */
  readonly source: string;
  /** The source may be a shell pattern (path.Match), which may stand for nothing. Links in the source are followed. */
  readonly isPattern: boolean;
  /** `--parents`: patterns below `source`; what they match keeps its folders. */
  readonly include?: readonly string[];
  /** Paths that must be there. */
  readonly required?: readonly string[];
  readonly exclude?: readonly string[];
  /** Absolute, with its closing slash or `/.`: then it is a folder. Missing folders are made. */
  readonly destination: string;
  /** Of a folder only what is in it. */
  readonly contentsOnly: boolean;
  /** An archive is unpacked, when it is one. */
  readonly unpack: boolean;
  /** `user[:group]`, by name or number, as the changed file system knows them; root when it is left out. */
  readonly owner?: string;
  readonly mode?: FileMode;
}

/** Bits, or changes as chmod(1) writes them. */
export type FileMode = { readonly bits: number } | { readonly changes: string };

/** A program that is run in the first input. */
export interface RunDefinition {
  readonly kind: 'run';
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly mounts: readonly RunMount[];
  readonly network: 'default' | 'none' | 'host';
  readonly security: 'sandbox' | 'insecure';
  readonly devices: readonly { readonly name: string; readonly required: boolean }[];
  readonly hosts: readonly string[];
  readonly hostname?: string;
  /** Bytes. */
  readonly shmSize?: number;
  readonly ulimits: readonly string[];
  /** What the programs are for, when it is not where the build runs. */
  readonly platform?: string;
}

export type RunMount =
  | {
      readonly type: 'bind';
      readonly target: string;
      /** Which of the inputs. */
      readonly from: number;
      readonly source: string;
      /** What is written into one that is not read-only is thrown away. */
      readonly readonly: boolean;
    }
  | {
      readonly type: 'cache';
      readonly target: string;
      readonly id: string;
      readonly sharing: 'shared' | 'private' | 'locked';
      /** Which of the inputs a new cache begins with. */
      readonly from: number;
      readonly source: string;
      readonly readonly: boolean;
      readonly owner?: FileOwner;
    }
  | { readonly type: 'tmpfs'; readonly target: string; readonly size: number }
  | {
      readonly type: 'secret';
      readonly id: string;
      /** Undefined: only in the variable. */
      readonly target?: string;
      readonly env?: string;
      readonly required: boolean;
      readonly owner: FileOwner;
    }
  | {
      readonly type: 'ssh';
      readonly id: string;
      /** Undefined: below /run/buildkit. */
      readonly target?: string;
      readonly required: boolean;
      readonly owner: FileOwner;
    };

export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** The second input laid over the first one, whatever is in either: `COPY --link`. */
export interface MergeDefinition {
  readonly kind: 'merge';
}
