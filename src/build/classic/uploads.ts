import { Latch } from '../../base/async.ts';
import { conflict, notFound } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';

/** How long the one waits for the other, in milliseconds: a client makes both requests at once. */
const patienceMs = 5000;

/** A build and the request that brings its context. */
class Meeting {
  users = 0;
  archive: ByteStream | undefined;
  readonly offered = new Latch();
  readonly taken = new Latch();
  readonly read = new Latch();
}

/**
 * Contexts that one request brings for the build of another one: clients of 2018 to 2021 with BuildKit in them send an
 * archive on their standard input so (`buildid=upload-request:ID`, and `remote=upload-request` of the build with `buildid=ID`).
 */
export class Uploads {
  readonly #meetings = new Map<string, Meeting>();

  /** Resolves when the build has read the archive, or has given it up. @throws not-found when no build takes it; conflict, cancelled */
  offer(id: string, archive: ByteStream, signal: AbortSignal): Promise<void> {
    return this.#meet(id, async (meeting) => {
      if (meeting.archive !== undefined) throw conflict(`the context of the build ${id} is being sent already`);
      meeting.archive = archive;
      meeting.offered.set();
      if (!(await isSetSoon(meeting.taken, signal))) throw notFound(`no build ${id} waits for its context`);
      await meeting.read.wait(signal);
    });
  }

  /** What `look` makes of the archive that comes for a build. @throws not-found when none comes; conflict, cancelled */
  take<T>(id: string, signal: AbortSignal, look: (archive: ByteStream) => Promise<T>): Promise<T> {
    return this.#meet(id, async (meeting) => {
      if (meeting.taken.isSet) throw conflict(`the context of the build ${id} is read already`);
      if (!(await isSetSoon(meeting.offered, signal)) || meeting.archive === undefined) {
        throw notFound(`nobody sends the context of the build ${id}`);
      }
      meeting.taken.set();
      try {
        return await look(meeting.archive);
      } finally {
        meeting.read.set();
      }
    });
  }

  async #meet<T>(id: string, work: (meeting: Meeting) => Promise<T>): Promise<T> {
    const meeting = this.#meetings.get(id) ?? new Meeting();
    this.#meetings.set(id, meeting);
    meeting.users++;
    try {
      return await work(meeting);
    } finally {
      if (--meeting.users === 0) this.#meetings.delete(id);
    }
  }
}

async function isSetSoon(latch: Latch, signal: AbortSignal): Promise<boolean> {
  const patience = AbortSignal.timeout(patienceMs);
  await latch.wait(AbortSignal.any([signal, patience])).catch((error: unknown) => {
    if (signal.aborted) throw error;
  });
  return latch.isSet;
}
