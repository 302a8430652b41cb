import type { OutgoingArchive } from '../services/container-files.ts';
import type { Exchange } from './exchange.ts';
import { bareSocket, writeBorrowed } from './streams.ts';

/** Answers with an archive: by a thread of its own where the connection allows it. Closes the archive. */
export async function sendArchive(
  { response, signal }: Exchange,
  archive: OutgoingArchive,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  try {
    response.writeHead(200, headers);
    const socket = await bareSocket(response, signal);
    if (socket !== undefined) await archive.sendTo(socket);
    else for await (const piece of archive.content) await writeBorrowed(response, piece, signal);
    response.end();
  } finally {
    await archive.close();
  }
}
