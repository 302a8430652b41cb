import type { Table } from './message.ts';

/** Messages of the services that a client offers on its session (session/*.proto of BuildKit, types/*.proto of fsutil). */
export const bytesMessage = { data: [1, 'bytes'] } as const satisfies Table;

const stat = {
  path: [1, 'name'],
  /** Go's os.FileMode. */
  mode: [2, 'int'],
  uid: [3, 'int'],
  gid: [4, 'int'],
  size: [5, 'int'],
  /** Nanoseconds since 1970. */
  modTime: [6, 'big'],
  linkname: [7, 'name'],
  devmajor: [8, 'int'],
  devminor: [9, 'int'],
  xattrs: [10, 'bytes', 'map'],
} as const satisfies Table;

export const packet = {
  type: [1, 'int'],
  stat: [2, stat],
  id: [3, 'int'],
  data: [4, 'bytes'],
} as const satisfies Table;

export const packetTypes = { stat: 0, request: 1, data: 2, end: 3, error: 4 } as const;

export const credentialsRequest = { host: [1, 'string'] } as const satisfies Table;
export const credentialsResponse = { username: [1, 'string'], secret: [2, 'string'] } as const satisfies Table;
export const authorityRequest = { host: [1, 'string'], salt: [2, 'bytes'] } as const satisfies Table;
export const authorityResponse = { publicKey: [1, 'bytes'] } as const satisfies Table;
export const tokenRequest = {
  clientId: [1, 'string'],
  host: [2, 'string'],
  realm: [3, 'string'],
  service: [4, 'string'],
  scopes: [5, 'string', 'list'],
} as const satisfies Table;
export const tokenResponse = {
  token: [1, 'string'],
  expiresIn: [2, 'int'],
  issuedAt: [3, 'int'],
} as const satisfies Table;
export const secretRequest = { id: [1, 'string'] } as const satisfies Table;
export const secretResponse = { data: [1, 'bytes'] } as const satisfies Table;
export const checkAgentRequest = { id: [1, 'string'] } as const satisfies Table;
export const healthResponse = { status: [1, 'int'] } as const satisfies Table;
export const nothing = {} as const satisfies Table;

/** Of containerd's content service (api/services/content/v1/content.proto). */
export const readContentRequest = {
  digest: [1, 'string'],
  offset: [2, 'int'],
  size: [3, 'int'],
} as const satisfies Table;
export const readContentResponse = { offset: [1, 'int'], data: [2, 'bytes'] } as const satisfies Table;
export const writeActions = { write: 1, commit: 2 } as const;
export const writeContentRequest = {
  action: [1, 'int'],
  ref: [2, 'string'],
  total: [3, 'int'],
  expected: [4, 'string'],
  offset: [5, 'int'],
  data: [6, 'bytes'],
} as const satisfies Table;
export const writeContentResponse = {
  action: [1, 'int'],
  offset: [4, 'int'],
  total: [5, 'int'],
  digest: [6, 'string'],
} as const satisfies Table;
export const contentInfoRequest = { digest: [1, 'string'] } as const satisfies Table;
export const contentInfoResponse = { info: [1, { digest: [1, 'string'], size: [2, 'int'] }] } as const satisfies Table;
