import { randomHex64 } from '../base/ids.ts';
import { invalid } from '../base/errors.ts';
import type { BuildContent } from '../spec/contract/build.ts';
import type { BuildJob } from './control/job.ts';
import type { FrontendRequest, Solved, Solver } from './control/ports.ts';
import { exportResult } from './export/exporters.ts';
import type { Logins } from './frontend/base-image.ts';
import { type Built, buildDockerfile } from './frontend/build.ts';
import { answerRequest } from './frontend/requests.ts';
import { sessionSource } from './frontend/session-source.ts';
import { secretOf } from './session/calls.ts';
import { loginOf } from './session/logins.ts';
import type { Secrets } from './solve/scope.ts';
import { missing } from './solve/keys.ts';
import type { SolvePorts } from './solve/ports.ts';

/** What belongs to one job, as long as that lasts. */
interface Work {
  readonly content: BuildContent;
  readonly results: Map<string, Built>;
}

/** Builds and exports: what frontends there are. */
export function createSolver(ports: SolvePorts): Solver {
  const works = new Map<BuildJob, Work>();
  const workOf = (job: BuildJob): Work => {
    const work = works.get(job) ?? { content: ports.images.beginBuild(), results: new Map() };
    works.set(job, work);
    return work;
  };
  return {
    solve: (job, request) => solve(ports, job, workOf(job), request),
    export(job, ref, request) {
      const { content, results } = workOf(job);
      const built = results.get(ref ?? '');
      if (built === undefined) throw invalid('there is nothing to export: the build has no result');
      return exportResult({ ports, job, content, built, request, logins: loginsOf(ports, job) });
    },
    async release(job) {
      const work = works.get(job);
      works.delete(job);
      work?.content.end();
      // What a build that failed has made, and what the cache does not name.
      if (work !== undefined) await ports.images.collect();
    },
  };
}

async function solve(ports: SolvePorts, job: BuildJob, work: Work, request: FrontendRequest): Promise<Solved> {
  const { frontend, options } = request;
  if (frontend === '') {
    if ((request.definition?.def.length ?? 0) > 0) throw missing("a graph of a client's own (LLB)");
    return { ref: undefined, metadata: new Map() };
  }
  if (frontend !== 'dockerfile.v0') throw missing(`the frontend ${JSON.stringify(frontend)}`);
  const source = await sessionSource(ports, job, options);
  try {
    const wanted = options.get('requestid') ?? '';
    if (wanted !== '') {
      return { ref: undefined, metadata: await answerRequest(ports, job, { source, options, wanted }) };
    }
    const { session } = job.request;
    const secrets: Secrets = async (id, signal) => secretOf(await ports.sessions.find(session, signal), id, signal);
    const origin = { attributes: options, source, logins: loginsOf(ports, job), secrets };
    const built = await buildDockerfile(ports, job, work.content, origin);
    const ref = randomHex64();
    work.results.set(ref, built);
    return {
      ref,
      metadata: new Map([['containerimage.config', Buffer.from(JSON.stringify(built.plan.image.config))]]),
    };
  } finally {
    await source.close();
  }
}

const loginsOf =
  ({ sessions }: SolvePorts, { request: { session } }: BuildJob): Logins =>
  async (host, signal) =>
    loginOf(await sessions.find(session, signal), host, signal);
