/** What the tests use of dockerode 5: its package has no types of its own. */
declare module 'dockerode' {
  import type { Agent } from 'node:http';
  import type { Duplex } from 'node:stream';

  export interface Container {
    readonly id: string;
    start(): Promise<unknown>;
    stop(options?: { t?: number }): Promise<unknown>;
    wait(options?: { condition?: string }): Promise<{ StatusCode: number }>;
    remove(options?: { force?: boolean; v?: boolean }): Promise<unknown>;
    kill(options?: { signal?: string }): Promise<unknown>;
    pause(): Promise<unknown>;
    unpause(): Promise<unknown>;
    rename(options: { name: string }): Promise<unknown>;
    update(options: Record<string, unknown>): Promise<unknown>;
    top(): Promise<{ Titles: string[]; Processes: string[][] }>;
    stats(options: { stream: false }): Promise<{ memory_stats: { limit: number }; pids_stats: { current: number } }>;
    changes(): Promise<{ Path: string; Kind: number }[]>;
    export(): Promise<NodeJS.ReadableStream>;
    commit(options: { repo: string; tag: string }): Promise<{ Id: string }>;
    getArchive(options: { path: string }): Promise<NodeJS.ReadableStream>;
    putArchive(tar: Buffer, options: { path: string }): Promise<unknown>;
    infoArchive(options: { path: string }): Promise<{ statusCode: number }>;
    inspect(): Promise<{
      Name: string;
      State: { Status: string; ExitCode: number };
      Config: { Labels: Record<string, string> };
    }>;
    logs(options: { stdout?: boolean; stderr?: boolean }): Promise<Buffer>;
    logs(options: { stdout?: boolean; stderr?: boolean; follow: true }): Promise<Duplex>;
    attach(options: Record<string, boolean>): Promise<Duplex>;
    exec(options: { Cmd: string[]; AttachStdout?: boolean; AttachStdin?: boolean }): Promise<Exec>;
    modem: { demuxStream(stream: Duplex, stdout: NodeJS.WritableStream, stderr: NodeJS.WritableStream): void };
  }
  export interface Exec {
    start(options: { hijack?: boolean; stdin?: boolean }): Promise<Duplex>;
    inspect(): Promise<{ ExitCode: number | null; Running: boolean }>;
  }
  interface AuthConfig {
    readonly username: string;
    readonly password: string;
    readonly serveraddress: string;
  }
  export interface Image {
    inspect(): Promise<{
      Id: string;
      RepoDigests: string[];
      RootFS: { Layers: string[] };
    }>;
    push(options: { tag?: string; authconfig?: AuthConfig }): Promise<NodeJS.ReadableStream>;
    distribution(options: { authconfig: AuthConfig }): Promise<{ Descriptor: { digest: string } }>;
    history(): Promise<{ Id: string }[]>;
    tag(options: { repo: string; tag: string }): Promise<unknown>;
    get(): Promise<NodeJS.ReadableStream>;
    remove(): Promise<unknown>;
  }
  interface BuildOptions {
    readonly t: string;
    readonly dockerfile?: string;
    readonly target?: string;
    readonly buildargs?: Record<string, string>;
    readonly labels?: Record<string, string>;
    readonly nocache?: boolean;
    readonly version?: '1' | '2';
    readonly registryconfig?: Record<string, { username: string; password: string }>;
    readonly authconfig?: AuthConfig;
  }
  class ImageFunctions {
    getImage(name: string): Image;
    listImages(options: {
      filters?: Record<string, string[]>;
      digests?: boolean;
      all?: boolean;
      manifests?: boolean;
      'shared-size'?: boolean;
    }): Promise<{ Id: string; RepoTags: string[]; SharedSize: number; Manifests?: { Kind: string }[] }[]>;
    pull(name: string, options?: { authconfig?: AuthConfig; platform?: string }): Promise<NodeJS.ReadableStream>;
    createImage(options: { fromImage: string; tag: string; authconfig?: AuthConfig }): Promise<NodeJS.ReadableStream>;
    searchImages(options: { term: string }): Promise<unknown>;
    checkAuth(auth: AuthConfig): Promise<{ Status: string }>;
    loadImage(archive: NodeJS.ReadableStream): Promise<NodeJS.ReadableStream>;
    importImage(layer: NodeJS.ReadableStream, options: { repo: string; tag: string }): Promise<NodeJS.ReadableStream>;
    /** @param context an archive, or names below a folder */
    buildImage(
      context: NodeJS.ReadableStream | { context: string; src: string[] },
      options: BuildOptions,
    ): Promise<NodeJS.ReadableStream>;
    /** Reads what a build tells; BuildKit's events as lines of text. */
    followProgress(
      stream: NodeJS.ReadableStream,
      onFinished: (error: Error | null, output: { stream?: string; error?: string }[]) => void,
    ): void;
    pruneImages(options?: { filters: Record<string, string[]> }): Promise<{ SpaceReclaimed: number }>;
  }
  export interface Network {
    inspect(): Promise<{
      Name: string;
      IPAM: { Config: object[] };
      Containers: Record<string, object>;
      Status?: object;
    }>;
    connect(options: { Container: string; EndpointConfig?: object }): Promise<unknown>;
    disconnect(options: { Container: string; Force?: boolean }): Promise<unknown>;
    remove(): Promise<unknown>;
  }
  class NetworkFunctions extends ImageFunctions {
    createNetwork(options: Record<string, unknown>): Promise<Network>;
    listNetworks(options: { filters: Record<string, string[]> }): Promise<{ Name: string }[]>;
    pruneNetworks(): Promise<{ NetworksDeleted: string[] | null }>;
  }
  export default class Docker extends NetworkFunctions {
    constructor(options: { socketPath: string; agent?: Agent });
    ping(): Promise<Buffer>;
    version(): Promise<{ ApiVersion: string }>;
    createContainer(options: Record<string, unknown>): Promise<Container>;
    listContainers(options?: { all?: boolean }): Promise<{ Id: string; State: string }[]>;
    createVolume(options: {
      Name: string;
      Driver?: string;
      DriverOpts?: Record<string, string>;
      Labels?: Record<string, string>;
    }): Promise<unknown>;
    getVolume(name: string): {
      inspect(): Promise<{ Mountpoint: string }>;
      remove(options?: { force?: boolean }): Promise<unknown>;
    };
    listVolumes(options: { filters: string }): Promise<{ Volumes: { Name: string }[] }>;
    pruneVolumes(options: { filters: string }): Promise<{ VolumesDeleted: string[]; SpaceReclaimed: number }>;
    getContainer(id: string): Container;
    getEvents(options: { filters: Record<string, string[]> }): Promise<NodeJS.ReadableStream>;
    df(): Promise<{ Containers: { Id: string; SizeRw: number }[] }>;
    pruneContainers(): Promise<{ ContainersDeleted: string[]; SpaceReclaimed: number }>;
  }
}
