import { notFound } from '../../base/errors.ts';
import { answering, type Method, unary } from '../grpc/server.ts';
import { contentInfoRequest, contentInfoResponse } from '../wire/control.ts';
import { readContentRequest, readContentResponse } from '../wire/session.ts';
import type { BuildJobs } from './job.ts';
import type { ControlContext } from './service.ts';

const service = '/containerd.services.content.v1.Content';
const pieceBytes = 256 << 10;

/** Documents of the history, as containerd's content service gives blobs: `docker buildx history inspect` reads them so. */
export function contentMethods({ jobs }: ControlContext): [string, Method][] {
  return [
    [
      `${service}/Info`,
      unary(contentInfoRequest, contentInfoResponse, async ({ digest }) => {
        const { length } = documentOf(jobs, digest);
        return { info: { digest, size: length } };
      }),
    ],
    [
      `${service}/Read`,
      answering(readContentRequest, readContentResponse, async function* read({ digest, offset, size }) {
        const bytes = documentOf(jobs, digest);
        const end = size > 0 ? Math.min(bytes.length, offset + size) : bytes.length;
        for (let at = Math.max(0, offset); at < end; at += pieceBytes) {
          yield { offset: at, data: bytes.subarray(at, Math.min(end, at + pieceBytes)) };
        }
      }),
    ],
  ];
}

function documentOf(jobs: BuildJobs, digest: string): Uint8Array {
  for (const { record } of [...jobs.past(), ...jobs.active()]) {
    const bytes = record.document(digest);
    if (bytes !== undefined) return bytes;
  }
  throw notFound(`content ${digest.slice(0, 100)}: not found`);
}
