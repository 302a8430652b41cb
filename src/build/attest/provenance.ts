import { hexOf } from '../../base/ids.ts';
import type { Predicate } from '../../spec/contract/build.ts';
import { formatPlatform } from '../../spec/oci/platform.ts';
import type { BuildJob } from '../control/job.ts';
import type { Built } from '../frontend/build.ts';
import { lockAttributes } from '../lock/lock.ts';
import type { RunMount } from '../graph/operation.ts';
import { packageUrl } from './purl.ts';
import type { ProvenanceWish } from './wishes.ts';

const buildType = 'https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md';

/** Of a client or a host, and nothing that the result depends on. */
const notTold = [
  'cgroup-parent',
  'image-resolve-mode',
  'cache-imports',
  'cache-from',
  'frontend.caps',
  'context',
  ...Object.values(lockAttributes),
];

/**
 * What a build was made of and how (SLSA provenance v1 or v0.2, with the parts that BuildKit adds to it). `min` leaves out
 * what may be secret: build arguments, labels, the names of secrets, the Dockerfile.
 */
export function provenance(job: BuildJob, built: Built, wish: ProvenanceWish, now: Date): Predicate {
  const facts = factsOf(job, built, wish, now);
  return wish.version === 'v0.2'
    ? { type: 'https://slsa.dev/provenance/v0.2', predicate: asVersion02(facts), file: 'provenance.json' }
    : { type: 'https://slsa.dev/provenance/v1', predicate: asVersion1(facts), file: 'provenance.json' };
}

function factsOf(job: BuildJob, built: Built, wish: ProvenanceWish, now: Date) {
  return {
    ...requestOf(built, wish),
    path: built.definition.name,
    platform: formatPlatform(built.builder),
    dependencies: dependenciesOf(built),
    areAllKnown: built.locals.length === 0,
    builder: { id: wish.builderId },
    ref: job.ref,
    startedOn: isoOf(job.createdAt),
    finishedOn: now.toISOString(),
    reproducible: wish.reproducible,
    more: metadataOf(built, wish),
  };
}

type Facts = ReturnType<typeof factsOf>;

const asVersion1 = (facts: Facts) => ({
  buildDefinition: {
    buildType,
    externalParameters: { configSource: { path: facts.path }, request: facts.request },
    internalParameters: { builderPlatform: facts.platform },
    resolvedDependencies: facts.dependencies,
  },
  runDetails: {
    builder: facts.builder,
    metadata: {
      invocationID: facts.ref,
      startedOn: facts.startedOn,
      finishedOn: facts.finishedOn,
      buildkit_completeness: { request: facts.isComplete, resolvedDependencies: facts.areAllKnown },
      ...(facts.reproducible ? { buildkit_reproducible: true } : {}),
      buildkit_metadata: facts.more,
    },
  },
});

const asVersion02 = (facts: Facts) => ({
  builder: facts.builder,
  buildType: 'https://mobyproject.org/buildkit@v1',
  materials: facts.dependencies,
  invocation: {
    configSource: { entryPoint: facts.path },
    parameters: facts.request,
    environment: { platform: facts.platform },
  },
  metadata: {
    buildInvocationID: facts.ref,
    buildStartedOn: facts.startedOn,
    buildFinishedOn: facts.finishedOn,
    completeness: { parameters: facts.isComplete, environment: true, materials: facts.areAllKnown },
    reproducible: facts.reproducible,
    'https://mobyproject.org/buildkit@v1#metadata': facts.more,
  },
});

/** Images, and what else came from elsewhere, with what it was. */
function dependenciesOf({ images, lock }: Built) {
  const files = [...lock.used()].flatMap(({ source, value }) => {
    if (source.type === 'image') return [];
    if (source.type === 'http') return [{ uri: source.name, digest: { sha256: value.slice('sha256:'.length) } }];
    const uri = source.ref === '' ? source.name : `${source.name}#${source.ref}`;
    return [{ uri, digest: { [value.length > 40 ? 'sha256' : 'sha1']: value } }];
  });
  const bases = images.map(({ reference, platform, digest }) => ({
    uri: packageUrl(reference, platform),
    digest: { sha256: hexOf(digest) },
  }));
  return [...bases, ...files];
}

const isoOf = ({ seconds, nanos }: BuildJob['createdAt']): string =>
  new Date(seconds * 1000 + nanos / 1e6).toISOString();

function requestOf({ attributes, locals, plan }: Built, { mode }: ProvenanceWish) {
  const all = [...attributes].filter(
    ([name]) => !notTold.includes(name) && !/^(?:attest:|vcs:|local-sessionid:)/.test(name),
  );
  const isPlain = ([name]: readonly [string, string]): boolean => !/^(?:build-arg|label):/.test(name);
  const args = mode === 'max' ? all : all.filter(isPlain);
  const mounts = plan.graph.flatMap(({ definition }) => (definition.kind === 'run' ? definition.mounts : []));
  const named = mode === 'max' ? { secrets: idsOf(mounts, 'secret'), ssh: idsOf(mounts, 'ssh') } : {};
  const request = {
    frontend: 'dockerfile.v0',
    args: Object.fromEntries(args),
    ...Object.fromEntries(Object.entries(named).filter(([, list]) => list.length > 0)),
    ...(locals.length === 0 ? {} : { locals: locals.map((name) => ({ name })) }),
  };
  return { request, isComplete: args.length === all.length };
}

function idsOf(mounts: readonly RunMount[], type: 'secret' | 'ssh') {
  const found = new Map<string, { id: string; optional?: true }>();
  for (const mount of mounts) {
    if (mount.type !== type) continue;
    found.set(mount.id, { id: mount.id, ...(mount.required ? {} : { optional: true }) });
  }
  return [...found.values()];
}

function metadataOf({ attributes, definition, layers, plan }: Built, { mode }: ProvenanceWish) {
  const vcs = [...attributes].flatMap(([name, value]) =>
    name.startsWith('vcs:') && value !== '' ? [[name.slice('vcs:'.length), withoutPassword(value)]] : [],
  );
  const data = Buffer.from(definition.bytes).toString('base64');
  const infos = [{ filename: definition.name, language: 'Dockerfile', data }];
  const ofBase = plan.image.base?.rootfs.diff_ids.length ?? 0;
  const own = layers.slice(ofBase).map(({ blob: { mediaType, digest, size } }) => ({ mediaType, digest, size }));
  return {
    ...(vcs.length === 0 ? {} : { vcs: Object.fromEntries(vcs) as Record<string, string> }),
    ...(mode === 'max' ? { source: { infos }, layers: { result: [own] } } : {}),
  };
}

/** Addresses of repositories may have logins in them. */
function withoutPassword(address: string): string {
  const url = URL.parse(address);
  if (url === null || (url.username === '' && url.password === '')) return address;
  url.username = 'xxxxx';
  url.password = url.password === '' ? '' : 'xxxxx';
  return url.href;
}
