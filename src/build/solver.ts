import { randomHex64 } from '../base/ids.ts';
import { invalid } from '../base/errors.ts';
import { provenance } from './attest/provenance.ts';
import type { BuildContent } from '../spec/contract/build.ts';
import type { BuildJob } from './control/job.ts';
import type { FrontendRequest, Solved, Solver } from './control/ports.ts';
import { exportResult } from './export/exporters.ts';
import type { Logins } from './frontend/base-image.ts';
import { type Built, buildDockerfile } from './frontend/build.ts';
import { answerRequest } from './frontend/requests.ts';
import { sessionSource } from './frontend/session-source.ts';
import { exportCache } from './remote-cache/export.ts';
import { importCaches, wishesOf } from './remote-cache/import.ts';
import type { CacheFinder } from './remote-cache/places.ts';
import { secretOf } from './session/calls.ts';
import { loginOf } from './session/logins.ts';
import { agentSocket, hasAgent } from './session/ssh.ts';
import type { Agents, Allowed, Secrets } from './solve/scope.ts';
import { missing } from './solve/keys.ts';
import type { Entitlements, SolvePorts } from './solve/ports.ts';

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
    describe(job, ref) {
      const built = works.get(job)?.results.get(ref ?? '');
      const wish = { mode: 'max', isDefault: true, builderId: '', reproducible: false } as const;
      return built === undefined ? [] : [provenance(job, built, wish, new Date()), ...built.sboms];
    },
    async exportCache(job, ref, wish) {
      const { content, results } = workOf(job);
      const built = results.get(ref ?? '');
      if (built === undefined) throw invalid('there is no cache to export: the build has no result');
      return exportCache(await finderOf(ports, job), job, content, built, wish);
    },
    async release(job) {
      const work = works.get(job);
      works.delete(job);
      work?.content.end();
      // What a build that failed has made, and what the cache does not name.
      if (work !== undefined) await ports.images.collect();
      ports.keepBudget();
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
  const { session } = job.request;
  const secrets: Secrets = async (id, signal) => secretOf(await ports.sessions.find(session, signal), id, signal);
  const source = await sessionSource(ports, job, options, secrets);
  try {
    const wanted = options.get('requestid') ?? '';
    if (wanted !== '') {
      return { ref: undefined, metadata: await answerRequest(ports, job, { source, options, wanted }) };
    }
    const agents: Agents = async (id, at) => {
      const open = await ports.sessions.find(session, at.signal);
      return (await hasAgent(open, id, at.signal)) ? agentSocket(open, id, at) : undefined;
    };
    const imported = await importCaches(await finderOf(ports, job), job, work.content, wishesOf(options));
    const origin = { attributes: options, source, logins: loginsOf(ports, job), secrets, agents, imported };
    const allowed = allowedBy(job.request.entitlements, ports.entitlements);
    const built = await buildDockerfile(ports, job, work.content, { ...origin, allowed });
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

/** What both the client and the engine allow: `security.insecure`, `device`, `device=NAME`. */
const allowedBy = (asked: readonly string[], engine: Entitlements): Allowed => ({
  insecure: engine.insecure && asked.includes('security.insecure'),
  devices: engine.devices && asked.some((name) => name === 'device' || name.startsWith('device=')),
});

const finderOf = async (ports: SolvePorts, job: BuildJob): Promise<CacheFinder> => ({
  ports,
  session: await ports.sessions.find(job.request.session, job.signal),
  logins: loginsOf(ports, job),
  signal: job.signal,
});

const loginsOf =
  ({ sessions }: SolvePorts, { request: { session } }: BuildJob): Logins =>
  async (host, signal) =>
    loginOf(await sessions.find(session, signal), host, signal);
