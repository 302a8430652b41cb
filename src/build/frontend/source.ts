import type { ContextTree } from '../context/tree.ts';

/** What of a folder is wanted. */
export interface FolderWish {
  /** Patterns of what stays out. */
  readonly excludes?: readonly string[];
  /** Paths and patterns; with what their links mean. All when empty. */
  readonly paths?: readonly string[];
  /** Told of the bytes that came so far. */
  readonly progress: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** Where a build has its Dockerfile and its files from. Trees belong to who asked for them. */
export interface BuildSource {
  /** As with BuildKit all of a context that is no folder of the client counts, whatever its `.dockerignore` says. */
  readonly hasAll?: boolean;
  /** The folder that the Dockerfile is in. */
  definition(wish: FolderWish): Promise<ContextTree>;
  /** A context by its name; `context` is the build's own. @throws not-implemented for one that cannot be had */
  context(name: string, wish: FolderWish): Promise<ContextTree>;
  /** The paths in a folder of a context, also those that stay out. For an error's text: they may be incomplete. */
  names(name: string, folder: string, signal: AbortSignal): Promise<readonly string[]>;
}
