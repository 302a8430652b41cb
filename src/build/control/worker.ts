import { type Method, unary } from '../grpc/server.ts';
import { infoResponse, listWorkersResponse } from '../wire/control.ts';
import type { Draft } from '../wire/message.ts';
import { healthResponse, nothing } from '../wire/session.ts';
import type { WorkerFacts } from './ports.ts';
import type { ControlContext } from './service.ts';

const control = '/moby.buildkit.v1.Control';
const serving = 1;

/** What clients ask before they build: who builds, and for which platforms. */
export function workerMethods({ worker }: ControlContext): [string, Method][] {
  return [
    [
      `${control}/ListWorkers`,
      unary(nothing, listWorkersResponse, async () => ({ record: [await workerRecord(worker)] })),
    ],
    [`${control}/Info`, unary(nothing, infoResponse, async () => ({ buildkitVersion: versionOf(worker) }))],
    ['/grpc.health.v1.Health/Check', unary(nothing, healthResponse, async () => ({ status: serving }))],
  ];
}

const versionOf = ({ version }: WorkerFacts) => ({ package: 'gantry', version: `v${version}` });

/**
 * Clients take the label `org.mobyproject.buildkit.worker.snapshotter` for a promise of several abilities: archives of
 * images, pushes by the builder, caches that are exported, attestations, several platforms. What of these is not there is
 * refused here, and not by the client.
 */
export async function workerRecord(
  worker: WorkerFacts,
): Promise<NonNullable<Draft<typeof listWorkersResponse>['record']>[number]> {
  const platforms = await worker.platforms();
  return {
    id: worker.id,
    labels: new Map([
      ['org.mobyproject.buildkit.worker.executor', 'oci'],
      ['org.mobyproject.buildkit.worker.hostname', worker.hostname],
      ['org.mobyproject.buildkit.worker.snapshotter', 'gantry'],
    ]),
    platforms: platforms.map(({ os, architecture, variant }) => ({
      os,
      architecture,
      ...(variant === undefined ? {} : { variant }),
    })),
    buildkitVersion: versionOf(worker),
  };
}
