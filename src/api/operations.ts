/**
 * Every operation of the Docker Engine API, by its operation id, with method and path template: the one place where
 * paths are written. `{id}` is one path segment, `{name...}` one or more (names of images and plugins have slashes).
 * Which of them this engine has is decided by the handlers in `routes/`; the others answer 501 with their id.
 */
export const operations = {
  // System
  SystemAuth: ['POST', '/auth'],
  SystemInfo: ['GET', '/info'],
  SystemVersion: ['GET', '/version'],
  SystemPing: ['GET', '/_ping'],
  SystemPingHead: ['HEAD', '/_ping'],
  SystemEvents: ['GET', '/events'],
  SystemDataUsage: ['GET', '/system/df'],
  SystemCheck: ['POST', '/system/check'],

  // Container
  ContainerList: ['GET', '/containers/json'],
  ContainerCreate: ['POST', '/containers/create'],
  ContainerInspect: ['GET', '/containers/{id...}/json'],
  ContainerTop: ['GET', '/containers/{id}/top'],
  ContainerLogs: ['GET', '/containers/{id}/logs'],
  ContainerLogsClear: ['DELETE', '/containers/{id}/logs'],
  ContainerChanges: ['GET', '/containers/{id}/changes'],
  ContainerExport: ['GET', '/containers/{id}/export'],
  ContainerStats: ['GET', '/containers/{id}/stats'],
  ContainerResize: ['POST', '/containers/{id}/resize'],
  ContainerStart: ['POST', '/containers/{id}/start'],
  ContainerStop: ['POST', '/containers/{id}/stop'],
  ContainerRestart: ['POST', '/containers/{id}/restart'],
  ContainerKill: ['POST', '/containers/{id}/kill'],
  ContainerUpdate: ['POST', '/containers/{id}/update'],
  ContainerRename: ['POST', '/containers/{id}/rename'],
  ContainerPause: ['POST', '/containers/{id}/pause'],
  ContainerUnpause: ['POST', '/containers/{id}/unpause'],
  ContainerAttach: ['POST', '/containers/{id}/attach'],
  ContainerAttachWebsocket: ['GET', '/containers/{id}/attach/ws'],
  ContainerWait: ['POST', '/containers/{id}/wait'],
  ContainerDelete: ['DELETE', '/containers/{id...}'],
  ContainerArchiveInfo: ['HEAD', '/containers/{id}/archive'],
  ContainerArchive: ['GET', '/containers/{id}/archive'],
  PutContainerArchive: ['PUT', '/containers/{id}/archive'],
  ContainerPrune: ['POST', '/containers/prune'],

  // Exec
  ContainerExec: ['POST', '/containers/{id}/exec'],
  ExecStart: ['POST', '/exec/{id}/start'],
  ExecResize: ['POST', '/exec/{id}/resize'],
  ExecInspect: ['GET', '/exec/{id}/json'],
  ContainerExecList: ['GET', '/containers/{id}/exec/json'],
  ExecKill: ['POST', '/exec/{id}/kill'],

  // Image
  ImageList: ['GET', '/images/json'],
  ImageBuild: ['POST', '/build'],
  BuildPrune: ['POST', '/build/prune'],
  ImageCreate: ['POST', '/images/create'],
  ImageInspect: ['GET', '/images/{name...}/json'],
  ImageAttestations: ['GET', '/images/{name...}/attestations'],
  ImageTrust: ['GET', '/images/{name...}/trust'],
  ImageHistory: ['GET', '/images/{name...}/history'],
  ImagePush: ['POST', '/images/{name...}/push'],
  ImageTag: ['POST', '/images/{name...}/tag'],
  ImageDelete: ['DELETE', '/images/{name...}'],
  ImageSearch: ['GET', '/images/search'],
  ImagePrune: ['POST', '/images/prune'],
  ImageCommit: ['POST', '/commit'],
  ImageGet: ['GET', '/images/{name...}/get'],
  ImageGetAll: ['GET', '/images/get'],
  ImageLoad: ['POST', '/images/load'],
  ImageMountList: ['GET', '/images/mounts'],
  ImageMount: ['POST', '/images/{name...}/mount'],
  ImageUnmount: ['POST', '/images/{name...}/unmount'],
  ImageContent: ['GET', '/images/content'],
  ImageMissing: ['POST', '/images/missing'],
  ImageGetPart: ['POST', '/images/get'],

  // Volume
  VolumeList: ['GET', '/volumes'],
  VolumeCreate: ['POST', '/volumes/create'],
  VolumeInspect: ['GET', '/volumes/{name}'],
  VolumeUpdate: ['PUT', '/volumes/{name}'],
  VolumeDelete: ['DELETE', '/volumes/{name}'],
  VolumePrune: ['POST', '/volumes/prune'],
  VolumeClone: ['POST', '/volumes/{name}/clone'],
  VolumeRename: ['POST', '/volumes/{name}/rename'],
  VolumeResize: ['POST', '/volumes/{name}/resize'],
  VolumeRekey: ['POST', '/volumes/{name}/rekey'],
  VolumeExport: ['GET', '/volumes/{name}/export'],
  VolumeImport: ['POST', '/volumes/{name}/import'],
  VolumeSnapshotList: ['GET', '/volumes/{name}/snapshots'],
  VolumeSnapshotCreate: ['POST', '/volumes/{name}/snapshots'],
  VolumeSnapshotInspect: ['GET', '/volumes/{name}/snapshots/{snapshot}'],
  VolumeSnapshotDelete: ['DELETE', '/volumes/{name}/snapshots/{snapshot}'],
  VolumeSnapshotRestore: ['POST', '/volumes/{name}/snapshots/{snapshot}/restore'],

  // Network
  NetworkList: ['GET', '/networks'],
  NetworkInspect: ['GET', '/networks/{id}'],
  NetworkDelete: ['DELETE', '/networks/{id}'],
  NetworkCreate: ['POST', '/networks/create'],
  NetworkConnect: ['POST', '/networks/{id}/connect'],
  NetworkDisconnect: ['POST', '/networks/{id}/disconnect'],
  NetworkUpdate: ['POST', '/networks/{id}/update'],
  NetworkPrune: ['POST', '/networks/prune'],

  // Distribution
  DistributionInspect: ['GET', '/distribution/{name...}/json'],

  // Session
  Session: ['POST', '/session'],

  // Plugin
  PluginList: ['GET', '/plugins'],
  GetPluginPrivileges: ['GET', '/plugins/privileges'],
  PluginPull: ['POST', '/plugins/pull'],
  PluginInspect: ['GET', '/plugins/{name...}/json'],
  PluginDelete: ['DELETE', '/plugins/{name...}'],
  PluginEnable: ['POST', '/plugins/{name...}/enable'],
  PluginDisable: ['POST', '/plugins/{name...}/disable'],
  PluginUpgrade: ['POST', '/plugins/{name...}/upgrade'],
  PluginCreate: ['POST', '/plugins/create'],
  PluginPush: ['POST', '/plugins/{name...}/push'],
  PluginSet: ['POST', '/plugins/{name...}/set'],

  // Node
  NodeList: ['GET', '/nodes'],
  NodeInspect: ['GET', '/nodes/{id}'],
  NodeDelete: ['DELETE', '/nodes/{id}'],
  NodeUpdate: ['POST', '/nodes/{id}/update'],

  // Swarm
  SwarmInspect: ['GET', '/swarm'],
  SwarmInit: ['POST', '/swarm/init'],
  SwarmJoin: ['POST', '/swarm/join'],
  SwarmLeave: ['POST', '/swarm/leave'],
  SwarmUpdate: ['POST', '/swarm/update'],
  SwarmUnlockkey: ['GET', '/swarm/unlockkey'],
  SwarmUnlock: ['POST', '/swarm/unlock'],

  // Service
  ServiceList: ['GET', '/services'],
  ServiceCreate: ['POST', '/services/create'],
  ServiceInspect: ['GET', '/services/{id}'],
  ServiceDelete: ['DELETE', '/services/{id}'],
  ServiceUpdate: ['POST', '/services/{id}/update'],
  ServiceLogs: ['GET', '/services/{id}/logs'],

  // Task
  TaskList: ['GET', '/tasks'],
  TaskInspect: ['GET', '/tasks/{id}'],
  TaskLogs: ['GET', '/tasks/{id}/logs'],

  // Secret
  SecretList: ['GET', '/secrets'],
  SecretCreate: ['POST', '/secrets/create'],
  SecretInspect: ['GET', '/secrets/{id}'],
  SecretDelete: ['DELETE', '/secrets/{id}'],
  SecretUpdate: ['POST', '/secrets/{id}/update'],

  // Config
  ConfigList: ['GET', '/configs'],
  ConfigCreate: ['POST', '/configs/create'],
  ConfigInspect: ['GET', '/configs/{id}'],
  ConfigDelete: ['DELETE', '/configs/{id}'],
  ConfigUpdate: ['POST', '/configs/{id}/update'],

  // Served by Docker, though its description does not list them
  BuildCancel: ['POST', '/build/cancel'],
  CheckpointList: ['GET', '/containers/{id}/checkpoints'],
  CheckpointCreate: ['POST', '/containers/{id}/checkpoints'],
  CheckpointDelete: ['DELETE', '/containers/{id}/checkpoints/{checkpoint}'],
  BuildKitControl: ['POST', '/grpc'],
  DebugVars: ['GET', '/debug/vars'],
} as const satisfies Readonly<Record<string, readonly [method: Method, template: string]>>;

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
export type OperationId = keyof typeof operations;

/** Operations whose connection becomes a plain byte stream: only they accept an upgrade. */
export const hijackedOperations: ReadonlySet<OperationId> = new Set<OperationId>([
  'ContainerAttach',
  'ContainerAttachWebsocket',
  'ExecStart',
  'BuildKitControl',
  'Session',
]);
