import { notFound } from '../../base/errors.ts';
import { answering, type Method, unary } from '../grpc/server.ts';
import { contentInfoRequest, contentInfoResponse } from '../wire/control.ts';
import { readContentRequest, readContentResponse } from '../wire/session.ts';
import type { ControlContext } from './service.ts';

const service = '/containerd.services.content.v1.Content';
const pieceBytes = 256 << 10;

/** Documents of the history, as containerd's content service gives blobs: `docker buildx history inspect` reads them so. */
export function contentMethods({ jobs }: ControlContext): [string, Method][] {
  const documentOf = async (digest: string) => {
    const found = await jobs.history.document(digest);
    if (found === undefined) throw notFound(`content ${digest.slice(0, 100)}: not found`);
    return found;
  };
  return [
    [
      `${service}/Info`,
      unary(contentInfoRequest, contentInfoResponse, async ({ digest }) => {
        const { size } = await documentOf(digest);
        return { info: { digest, size } };
      }),
    ],
    [
      `${service}/Read`,
      answering(readContentRequest, readContentResponse, async function* read({ digest, offset, size }) {
        const document = await documentOf(digest);
        let at = Math.max(0, offset);
        const end = size > 0 ? Math.min(document.size, at + size) : document.size;
        for await (const bytes of document.bytes(at, end)) {
          for (let from = 0; from < bytes.length; from += pieceBytes) {
            const data = bytes.subarray(from, from + pieceBytes);
            yield { offset: at, data };
            at += data.length;
          }
        }
      }),
    ],
  ];
}
