import { codeOf, EngineError, type ErrorCode, messageOf } from '../../base/errors.ts';

/** Status codes of gRPC (https://grpc.io/docs/guides/status-codes/) that this engine sends. */
export const statusCodes = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalid: 3,
  deadline: 4,
  notFound: 5,
  exists: 6,
  forbidden: 7,
  exhausted: 8,
  unimplemented: 12,
  unavailable: 14,
} as const;

/** The end of a call that failed. `details` is an encoded google.rpc.Status, which clients decode typed errors from. */
export class GrpcError extends Error {
  readonly status: number;
  readonly details: Uint8Array | undefined;

  constructor(status: number, message: string, details?: Uint8Array) {
    super(message);
    this.name = 'GrpcError';
    this.status = status;
    this.details = details;
  }
}

const statusOfCode: Readonly<Record<ErrorCode, number>> = {
  invalid: statusCodes.invalid,
  'not-found': statusCodes.notFound,
  conflict: statusCodes.unknown,
  'not-modified': statusCodes.unknown,
  unauthorized: 16,
  forbidden: statusCodes.forbidden,
  'not-implemented': statusCodes.unimplemented,
  unavailable: statusCodes.unavailable,
  'no-space': statusCodes.exhausted,
  cancelled: statusCodes.cancelled,
  corrupt: statusCodes.unknown,
  internal: statusCodes.unknown,
};

const codeOfStatus: ReadonlyMap<number, ErrorCode> = new Map([
  [statusCodes.cancelled, 'cancelled'],
  [statusCodes.invalid, 'invalid'],
  [statusCodes.notFound, 'not-found'],
  [statusCodes.forbidden, 'forbidden'],
  [statusCodes.unimplemented, 'not-implemented'],
  [statusCodes.unavailable, 'unavailable'],
]);

/** What a client is told of anything that was thrown. */
export function asGrpcError(error: unknown): GrpcError {
  if (error instanceof GrpcError) return error;
  return new GrpcError(statusOfCode[codeOf(error)], messageOf(error));
}

/** What a call to a client threw, in the engine's own words. */
export function asEngineError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const code = error instanceof GrpcError ? (codeOfStatus.get(error.status) ?? 'internal') : codeOf(error);
  return new EngineError(code, messageOf(error), { cause: error });
}

/** `grpc-message` is percent-encoded: everything but printable ASCII, and the percent sign. */
export function encodeMessage(message: string): string {
  let text = '';
  for (const byte of Buffer.from(message)) {
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x25;
    text += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}

/** The other way round; what is no escape stays as it is. */
export function decodeMessage(text: string): string {
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at++) {
    const escape = text[at] === '%' ? text.slice(at + 1, at + 3) : '';
    if (/^[0-9A-Fa-f]{2}$/.test(escape)) {
      bytes.push(Number.parseInt(escape, 16));
      at += 2;
    } else bytes.push(text.charCodeAt(at) & 0xff);
  }
  return Buffer.from(bytes).toString('utf8');
}
