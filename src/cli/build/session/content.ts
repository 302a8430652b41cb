import { createHash, type Hash } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GrpcError, statusCodes } from '../../../build/grpc/status.ts';
import { decode } from '../../../build/wire/decode.ts';
import { encode } from '../../../build/wire/encode.ts';
import type { Message } from '../../../build/wire/message.ts';
import {
  contentInfoRequest,
  contentInfoResponse,
  readContentRequest,
  readContentResponse,
  writeActions,
  writeContentRequest,
  writeContentResponse,
} from '../../../build/wire/session.ts';
import { type GrpcCall, type Method } from './grpc.ts';
import { randomName } from './open.ts';

const service = '/containerd.services.content.v1.Content';
/** Which of the stores a call is about. */
const storeHeader = 'buildkit-attachable-store-id';
const pieceBytes = 256 << 10;

/** Stores of blobs as OCI layouts have them, for caches and images in folders of this machine: by name, the folder. */
export function contentMethods(stores: ReadonlyMap<string, string>): [string, Method][] {
  const folderOf = (call: GrpcCall): string => {
    const [name = ''] = call.metadata.get(storeHeader) ?? [];
    const folder = stores.get(name);
    if (folder === undefined) throw new GrpcError(statusCodes.notFound, `there is no store ${JSON.stringify(name)}`);
    return folder;
  };
  return [
    [`${service}/Info`, (call) => info(call, folderOf(call))],
    [`${service}/Read`, (call) => read(call, folderOf(call))],
    [`${service}/Write`, (call) => write(call, folderOf(call))],
  ];
}

/** @throws GrpcError for what is no sha256, and would be another path */
function blobPath(folder: string, digest: string): string {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1];
  if (hex === undefined) throw new GrpcError(statusCodes.invalid, `invalid digest ${JSON.stringify(digest)}`);
  return join(folder, 'blobs/sha256', hex);
}

function sizeOf(path: string, digest: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isFile() !== true) throw new GrpcError(statusCodes.notFound, `content ${digest}: not found`);
  return stat.size;
}

async function only(call: GrpcCall): Promise<Uint8Array> {
  let received: Uint8Array = new Uint8Array(0);
  for await (const message of call.messages) received = message;
  return received;
}

async function info(call: GrpcCall, folder: string): Promise<void> {
  const { digest } = decode(contentInfoRequest, await only(call));
  const size = sizeOf(blobPath(folder, digest), digest);
  await call.send(encode(contentInfoResponse, { info: { digest, size } }));
}

async function read(call: GrpcCall, folder: string): Promise<void> {
  const { digest, offset, size } = decode(readContentRequest, await only(call));
  const path = blobPath(folder, digest);
  const end = size > 0 ? Math.min(offset + size, sizeOf(path, digest)) : sizeOf(path, digest);
  const file = openSync(path, 'r');
  try {
    for (let at = offset; at < end; ) {
      const data = Buffer.alloc(Math.min(pieceBytes, end - at));
      const count = readSync(file, data, 0, data.length, at);
      if (count === 0) throw new GrpcError(statusCodes.unknown, `content ${digest} is cut off`);
      await call.send(encode(readContentResponse, { offset: at, data: data.subarray(0, count) }));
      at += count;
    }
  } finally {
    closeSync(file);
  }
}

/** A blob on its way; it has its name when it is whole and what it should be. */
async function write(call: GrpcCall, folder: string): Promise<void> {
  const ingest = new Ingest(folder);
  try {
    for await (const message of call.messages) {
      const request = decode(writeContentRequest, message);
      ingest.take(request);
      const digest = request.action === writeActions.commit ? ingest.commit(request) : '';
      const { action, total } = request;
      await call.send(encode(writeContentResponse, { action, total, offset: ingest.offset, digest }));
    }
  } finally {
    ingest.close();
  }
}

class Ingest {
  readonly #folder: string;
  readonly #path: string;
  readonly #hash: Hash = createHash('sha256');
  #file: number | undefined;
  offset = 0;

  constructor(folder: string) {
    this.#folder = folder;
    this.#path = join(folder, 'ingest', randomName());
  }

  take({ expected, offset, data }: Message<typeof writeContentRequest>): void {
    if (this.#file === undefined) {
      if (expected !== '' && existsSync(blobPath(this.#folder, expected))) {
        throw new GrpcError(statusCodes.exists, `content ${expected}: already exists`);
      }
      mkdirSync(dirname(this.#path), { recursive: true });
      this.#file = openSync(this.#path, 'wx', 0o644);
    }
    if (data.length === 0) return;
    if (offset !== this.offset)
      throw new GrpcError(statusCodes.invalid, `write at ${offset} instead of ${this.offset}`);
    for (let at = 0; at < data.length; ) at += writeSync(this.#file, data, at);
    this.#hash.update(data);
    this.offset += data.length;
  }

  /** Gives its digest. @throws GrpcError when it is something else than expected */
  commit({ expected, total }: Message<typeof writeContentRequest>): string {
    const digest = `sha256:${this.#hash.digest('hex')}`;
    if ((expected !== '' && expected !== digest) || (total > 0 && total !== this.offset)) {
      throw new GrpcError(statusCodes.invalid, `unexpected commit digest ${digest}, expected ${expected}`);
    }
    const path = blobPath(this.#folder, digest);
    mkdirSync(dirname(path), { recursive: true });
    this.#close();
    renameSync(this.#path, path);
    return digest;
  }

  /** What is not whole goes. */
  close(): void {
    this.#close();
    rmSync(this.#path, { force: true });
  }

  #close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}
