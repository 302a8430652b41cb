import { conflict } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { ClassicBuild } from '../../spec/contract/classic-build.ts';
import type { BuildJob } from '../control/job.ts';
import { noteFailure } from '../control/outcome.ts';
import type { SolvePorts } from '../solve/ports.ts';
import { buildClassic, classicJob } from './build.ts';
import { Uploads } from './uploads.ts';

/** The builds by `POST /build` that are under way. */
export class ClassicBuilds {
  readonly #ports: SolvePorts;
  readonly #remember: (job: BuildJob) => void;
  readonly #uploads = new Uploads();
  readonly #active = new Set<{ readonly id: string; readonly job: BuildJob }>();

  /** @param remember takes builds that are told of in BuildKit's events into the history */
  constructor(ports: SolvePorts, remember: (job: BuildJob) => void) {
    this.#ports = ports;
    this.#remember = remember;
  }

  /** See `buildClassic`. @throws conflict for a build whose id another one has */
  async build(request: ClassicBuild): Promise<void> {
    const { buildId: id, signal } = request;
    if (id !== '' && this.#named(id) !== undefined) throw conflict(`a build with the id ${id} is under way`);
    const job = classicJob(request);
    const active = { id, job };
    const onAbort = (): void => job.cancel();
    this.#active.add(active);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) job.cancel();
    try {
      await buildClassic(this.#ports, this.#uploads, job, request);
    } catch (error) {
      noteFailure(job, error);
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#active.delete(active);
      if (request.isTraced) this.#remember(job);
    }
  }

  /** Brings the context of a build that waits for it; see `Uploads`. */
  upload(id: string, archive: ByteStream, signal: AbortSignal): Promise<void> {
    return this.#uploads.offer(id, archive, signal);
  }

  /** Gives a build up, by the id that its client gave it; false when there is none. */
  cancel(id: string): boolean {
    const job = this.#named(id);
    job?.cancel();
    return job !== undefined;
  }

  close(): void {
    for (const { job } of this.#active) job.cancel();
  }

  #named(id: string): BuildJob | undefined {
    for (const active of this.#active) if (active.id === id) return active.job;
    return undefined;
  }
}
