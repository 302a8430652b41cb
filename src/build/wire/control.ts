import type { Table } from './message.ts';

/** Messages of BuildKit's Control service, as far as this engine reads or writes them (api/services/control/control.proto). */
export const timestamp = { seconds: [1, 'int'], nanos: [2, 'int'] } as const satisfies Table;
const platform = { architecture: [1, 'string'], os: [2, 'string'], variant: [3, 'string'] } as const satisfies Table;
const version = { package: [1, 'string'], version: [2, 'string'], revision: [3, 'string'] } as const satisfies Table;

const workerRecord = {
  id: [1, 'string'],
  labels: [2, 'string', 'map'],
  platforms: [3, platform, 'list'],
  buildkitVersion: [5, version],
} as const satisfies Table;
export const listWorkersResponse = { record: [1, workerRecord, 'list'] } as const satisfies Table;
export const infoResponse = { buildkitVersion: [1, version] } as const satisfies Table;

const opMetadata = { ignoreCache: [1, 'bool'], description: [2, 'string', 'map'] } as const satisfies Table;
/** A graph of a client's own, or one that this engine made and gets back. */
export const definition = { def: [1, 'bytes', 'list'], metadata: [2, opMetadata, 'map'] } as const satisfies Table;

/** An operation of a graph (solver/pb/ops.proto), as far as this engine makes any. */
export const graphOperation = {
  inputs: [1, { digest: [1, 'string'], index: [2, 'int'] }, 'list'],
  source: [3, { identifier: [1, 'string'] }],
} as const satisfies Table;

const typedAttributes = { type: [1, 'string'], attrs: [2, 'string', 'map'] } as const satisfies Table;
const cacheOptions = {
  exports: [4, typedAttributes, 'list'],
  imports: [5, typedAttributes, 'list'],
} as const satisfies Table;

export const solveRequest = {
  ref: [1, 'string'],
  definition: [2, definition],
  exporter: [3, 'string'],
  exporterAttrs: [4, 'string', 'map'],
  session: [5, 'string'],
  frontend: [6, 'string'],
  frontendAttrs: [7, 'string', 'map'],
  cache: [8, cacheOptions],
  entitlements: [9, 'string', 'list'],
  frontendInputs: [10, definition, 'map'],
  internal: [11, 'bool'],
  exporters: [13, typedAttributes, 'list'],
} as const satisfies Table;
export const solveResponse = { exporterResponse: [1, 'string', 'map'] } as const satisfies Table;

export const statusRequest = { ref: [1, 'string'] } as const satisfies Table;

const vertex = {
  digest: [1, 'string'],
  inputs: [2, 'string', 'list'],
  name: [3, 'string'],
  cached: [4, 'bool'],
  started: [5, timestamp],
  completed: [6, timestamp],
  error: [7, 'string'],
  /** Steps that are shown as one. */
  progressGroup: [8, { id: [1, 'string'], name: [2, 'string'], weak: [3, 'bool'] }],
} as const satisfies Table;

const vertexStatus = {
  id: [1, 'string'],
  vertex: [2, 'string'],
  name: [3, 'string'],
  current: [4, 'int'],
  total: [5, 'int'],
  timestamp: [6, timestamp],
  started: [7, timestamp],
  completed: [8, timestamp],
} as const satisfies Table;

const vertexLog = {
  vertex: [1, 'string'],
  timestamp: [2, timestamp],
  stream: [3, 'int'],
  msg: [4, 'bytes'],
} as const satisfies Table;

const position = { line: [1, 'int'], character: [2, 'int'] } as const satisfies Table;
const range = { start: [1, position], end: [2, position] } as const satisfies Table;
const sourceInfo = {
  filename: [1, 'string'],
  data: [2, 'bytes'],
  definition: [3, definition],
  language: [4, 'string'],
} as const satisfies Table;

const vertexWarning = {
  vertex: [1, 'string'],
  level: [2, 'int'],
  short: [3, 'bytes'],
  detail: [4, 'bytes', 'list'],
  url: [5, 'string'],
  info: [6, sourceInfo],
  ranges: [7, range, 'list'],
} as const satisfies Table;

export const statusResponse = {
  vertexes: [1, vertex, 'list'],
  statuses: [2, vertexStatus, 'list'],
  logs: [3, vertexLog, 'list'],
  warnings: [4, vertexWarning, 'list'],
} as const satisfies Table;

export const pruneRequest = {
  filter: [1, 'string', 'list'],
  all: [2, 'bool'],
  keepDuration: [3, 'big'],
  reservedSpace: [4, 'int'],
  maxUsedSpace: [5, 'int'],
  minFreeSpace: [6, 'int'],
} as const satisfies Table;
export const diskUsageRequest = { filter: [1, 'string', 'list'], ageLimit: [2, 'big'] } as const satisfies Table;
export const usageRecord = {
  id: [1, 'string'],
  mutable: [2, 'bool'],
  inUse: [3, 'bool'],
  size: [4, 'int'],
  createdAt: [6, timestamp],
  lastUsedAt: [7, timestamp],
  usageCount: [8, 'int'],
  description: [9, 'string'],
  recordType: [10, 'string'],
  shared: [11, 'bool'],
  parents: [12, 'string', 'list'],
} as const satisfies Table;
export const diskUsageResponse = { record: [1, usageRecord, 'list'] } as const satisfies Table;

/** google.rpc.Status, with details as google.protobuf.Any. */
export const rpcStatus = {
  code: [1, 'int'],
  message: [2, 'string'],
  details: [3, { typeUrl: [1, 'string'], value: [2, 'bytes'] }, 'list'],
} as const satisfies Table;

export const historyRequest = {
  activeOnly: [1, 'bool'],
  ref: [2, 'string'],
  earlyExit: [3, 'bool'],
  filter: [4, 'string', 'list'],
  limit: [5, 'int'],
} as const satisfies Table;
const recordDescriptor = {
  mediaType: [1, 'string'],
  digest: [2, 'string'],
  size: [3, 'int'],
  annotations: [5, 'string', 'map'],
} as const satisfies Table;
/** Its map of results has numbers for keys on the wire: entries with a key and a value. */
const resultEntry = { key: [1, 'int'], value: [2, recordDescriptor] } as const satisfies Table;
const buildResult = {
  attestations: [2, recordDescriptor, 'list'],
  results: [3, resultEntry, 'list'],
} as const satisfies Table;
export const historyRecord = {
  ref: [1, 'string'],
  frontend: [2, 'string'],
  frontendAttrs: [3, 'string', 'map'],
  exporters: [4, typedAttributes, 'list'],
  error: [5, rpcStatus],
  createdAt: [6, timestamp],
  completedAt: [7, timestamp],
  logs: [8, recordDescriptor],
  exporterResponse: [9, 'string', 'map'],
  result: [10, buildResult],
  trace: [13, recordDescriptor],
  pinned: [14, 'bool'],
  numCachedSteps: [15, 'int'],
  numTotalSteps: [16, 'int'],
  numCompletedSteps: [17, 'int'],
  externalError: [18, recordDescriptor],
  numWarnings: [19, 'int'],
} as const satisfies Table;
/** What this engine keeps of a build on its disk, in front of its documents and events; not BuildKit's. */
export const storedBuild = {
  record: [1, historyRecord],
  documents: [2, { digest: [1, 'string'], size: [2, 'int'] }, 'list'],
} as const satisfies Table;
export const historyEvent = { type: [1, 'int'], record: [2, historyRecord] } as const satisfies Table;
export const updateHistoryRequest = {
  ref: [1, 'string'],
  pinned: [2, 'bool'],
  delete: [3, 'bool'],
  finalize: [4, 'bool'],
} as const satisfies Table;

const capability = { id: [1, 'string'], enabled: [2, 'bool'] } as const satisfies Table;
/** The answer to LLBBridge/Ping (frontend/gateway/pb/gateway.proto). */
export const pong = {
  frontendCaps: [1, capability, 'list'],
  llbCaps: [2, capability, 'list'],
  workers: [3, workerRecord, 'list'],
} as const satisfies Table;

const gatewayRef = { id: [1, 'string'], def: [2, definition] } as const satisfies Table;
export const gatewayResult = {
  ref: [3, gatewayRef],
  refs: [4, { refs: [1, gatewayRef, 'map'] }],
  metadata: [10, 'bytes', 'map'],
} as const satisfies Table;
export const gatewaySolveRequest = {
  definition: [1, definition],
  frontend: [2, 'string'],
  frontendOpt: [3, 'string', 'map'],
  allowResultReturn: [5, 'bool'],
  allowResultArrayRef: [6, 'bool'],
  frontendInputs: [13, definition, 'map'],
  evaluate: [14, 'bool'],
} as const satisfies Table;
export const gatewaySolveResponse = { ref: [1, 'string'], result: [3, gatewayResult] } as const satisfies Table;
export const returnRequest = { result: [1, gatewayResult], error: [2, rpcStatus] } as const satisfies Table;
export const evaluateRequest = { ref: [1, 'string'] } as const satisfies Table;

/** Of containerd's content service. */
export const contentInfoRequest = { digest: [1, 'string'] } as const satisfies Table;
export const contentInfoResponse = {
  info: [1, { digest: [1, 'string'], size: [2, 'int'] }],
} as const satisfies Table;
