import { randomHex64 } from '../base/ids.ts';
import { invalid } from '../base/errors.ts';
import { dropOldest } from '../base/oldest.ts';
import { provenance } from './attest/provenance.ts';
import type { BuildContent } from '../spec/contract/build.ts';
import { shownAttributes } from './control/history-record.ts';
import type { BuildJob } from './control/job.ts';
import type { FrontendRequest, ResultRefs, Solved, Solver } from './control/ports.ts';
import { imageConfig } from './export/config.ts';
import { exportResult } from './export/exporters.ts';
import type { Logins } from './frontend/base-image.ts';
import { type BuildResults, type Built, buildDockerfile, platformId } from './frontend/build.ts';
import { answerRequest } from './frontend/requests.ts';
import { linkedImage, linkedRef, withLinked } from './frontend/linked.ts';
import { sessionClient } from './frontend/session-client.ts';
import { sessionSource } from './frontend/session-source.ts';
import { lockAttributes, SourceLock } from './lock/lock.ts';
import { exportCache } from './remote-cache/export.ts';
import { importCaches, wishesOf } from './remote-cache/import.ts';
import type { CacheFinder } from './remote-cache/places.ts';
import type { Allowed } from './solve/scope.ts';
import { missing } from './solve/keys.ts';
import type { Entitlements, SolvePorts } from './solve/ports.ts';

/** What belongs to one job, as long as that lasts. */
interface Work {
  readonly content: BuildContent;
  readonly results: Map<string, Built>;
}

/** So many results are known to builds that stand on those of others. */
const mostLinked = 100;

/** Results of all builds, the latest ones. */
class Results {
  readonly #built = new Map<string, Built>();

  add(built: Built): string {
    const ref = randomHex64();
    this.#built.set(ref, built);
    dropOldest(this.#built, mostLinked);
    return ref;
  }

  get(ref: string): Built | undefined {
    return this.#built.get(ref);
  }
}

/** Builds and exports: what frontends there are. */
export function createSolver(ports: SolvePorts): Solver {
  const all = new Results();
  const works = new Map<BuildJob, Work>();
  const workOf = (job: BuildJob): Work => {
    const work = works.get(job) ?? { content: ports.images.beginBuild(), results: new Map() };
    works.set(job, work);
    return work;
  };
  return {
    solve: (job, request) => solve({ ports, job, work: workOf(job), all }, request),
    export(job, refs, request) {
      const work = workOf(job);
      const results = resultsOf(work, refs);
      if (results === undefined) throw invalid('there is nothing to export: the build has no result');
      return exportResult({ ports, job, content: work.content, results, request, logins: loginsOf(ports, job) });
    },
    describe(job, refs) {
      const work = works.get(job);
      const images = (work === undefined ? undefined : resultsOf(work, refs))?.images ?? [];
      const wish = { mode: 'max', isDefault: true, builderId: '', reproducible: false } as const;
      return images.flatMap((built) => {
        const shown = { ...built, attributes: shownAttributes(built.attributes) };
        return [provenance(job, shown, wish, new Date()), ...built.sboms];
      });
    },
    told(job, refs) {
      const work = works.get(job);
      const [built] = (work === undefined ? undefined : resultsOf(work, refs))?.images ?? [];
      const text = built?.lock.text();
      return new Map(text === undefined ? [] : [[lockAttributes.text, Buffer.from(text).toString('base64')]]);
    },
    async exportCache(job, refs, wish) {
      const work = workOf(job);
      const results = resultsOf(work, refs);
      if (results === undefined) throw invalid('there is no cache to export: the build has no result');
      return exportCache(await finderOf(ports, job), job, work.content, results.images, wish);
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

/** What a client names again after a build; undefined for nothing. @throws invalid for results that are not there */
function resultsOf({ results }: Work, refs: ResultRefs | undefined): BuildResults | undefined {
  const { list, only } = refs ?? {};
  const named = [...(list?.values() ?? []), ...(only === undefined ? [] : [only])];
  const images = named.map((ref) => {
    const built = results.get(ref);
    if (built === undefined) throw invalid(`the build has no result ${JSON.stringify(ref.slice(0, 100))}`);
    return built;
  });
  if (images.length === 0) return undefined;
  // A client's map has no order.
  return { isList: list !== undefined, images: images.toSorted((a, b) => a.place - b.place) };
}

interface SolveScope {
  readonly ports: SolvePorts;
  readonly job: BuildJob;
  readonly work: Work;
  readonly all: Results;
}

async function solve({ ports, job, work, all }: SolveScope, request: FrontendRequest): Promise<Solved> {
  const { frontend } = request;
  const options = withLinked(request.options, request.inputs);
  if (frontend === '') {
    if ((request.definition?.def.length ?? 0) > 0) throw missing("a graph of a client's own (LLB)");
    return { refs: undefined, metadata: new Map() };
  }
  if (frontend !== 'dockerfile.v0') throw missing(`the frontend ${JSON.stringify(frontend)}`);
  const client = sessionClient(ports.sessions, job.request.session);
  const lock = SourceLock.of(options);
  const source = await sessionSource(ports, job, options, { ...client, lock });
  try {
    const wanted = options.get('requestid') ?? '';
    if (wanted !== '') {
      const asked = { content: work.content, source, options, wanted };
      return { refs: undefined, metadata: await answerRequest(ports, job, asked) };
    }
    const linked = (reference: string) => {
      const ref = linkedRef(reference) ?? '';
      const other = all.get(ref);
      return other === undefined ? undefined : linkedImage(ref, other, ports.clock.nowNs());
    };
    const imported = await importCaches(await finderOf(ports, job), job, work.content, wishesOf(options));
    const origin = { attributes: options, source, lock, ...client, linked, imported };
    const allowed = allowedBy(job.request.entitlements, ports.entitlements);
    const results = await buildDockerfile(ports, job, work.content, { ...origin, allowed });
    return solvedOf(results, ports.clock.nowNs(), (built) => {
      const ref = all.add(built);
      work.results.set(ref, built);
      return ref;
    });
  } finally {
    await source.close();
  }
}

/** Results as clients get them: with their platforms, and the configurations of the images. */
function solvedOf({ isList, images }: BuildResults, now: bigint, refOf: (built: Built) => string): Solved {
  const named = images.map((built) => ({ id: platformId(built), built, ref: refOf(built) }));
  const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
  const platforms = named.map(({ id, built }) => ({ ID: id, Platform: built.plan.image.platform }));
  const configs = named.map(({ id, built }): [string, Uint8Array] => [
    isList ? `containerimage.config/${id}` : 'containerimage.config',
    json(imageConfig(built, built.layers, { now, latest: undefined })),
  ]);
  const list = isList ? new Map(named.map(({ id, ref }) => [id, ref])) : undefined;
  return {
    refs: { list, only: isList ? undefined : named[0]?.ref },
    metadata: new Map([...configs, ['refs.platforms', json({ Platforms: platforms })]]),
  };
}

/** What both the client and the engine allow: `security.insecure`, `network.host`, `device`, `device=NAME`. */
const allowedBy = (asked: readonly string[], engine: Entitlements): Allowed => ({
  insecure: engine.insecure && asked.includes('security.insecure'),
  hostNetwork: engine.hostNetwork && asked.includes('network.host'),
  devices: engine.devices && asked.some((name) => name === 'device' || name.startsWith('device=')),
});

const finderOf = async (ports: SolvePorts, job: BuildJob): Promise<CacheFinder> => ({
  ports,
  session: await ports.sessions.find(job.request.session, job.signal),
  logins: loginsOf(ports, job),
  signal: job.signal,
});

const loginsOf = ({ sessions }: SolvePorts, { request: { session } }: BuildJob): Logins =>
  sessionClient(sessions, session).logins;
