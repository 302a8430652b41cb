import { answering, type Method, unary } from '../grpc/server.ts';
import { diskUsageRequest, diskUsageResponse, pruneRequest, usageRecord } from '../wire/control.ts';
import type { Draft } from '../wire/message.ts';
import type { CacheRecord } from './ports.ts';
import type { ControlContext } from './service.ts';

const control = '/moby.buildkit.v1.Control';

/** `docker buildx du` and `prune`. */
export function cacheMethods({ cache }: ControlContext): [string, Method][] {
  return [
    [
      `${control}/DiskUsage`,
      unary(diskUsageRequest, diskUsageResponse, async ({ filter, ageLimit }) => ({
        record: (await cache.records({ filters: filter, unusedForNs: ageLimit })).map(asUsage),
      })),
    ],
    [
      `${control}/Prune`,
      answering(
        pruneRequest,
        usageRecord,
        async function* prune({ filter, all, keepDuration, reservedSpace, maxUsedSpace, minFreeSpace }) {
          const gone = await cache.prune({
            all,
            unusedForNs: keepDuration,
            reservedBytes: reservedSpace,
            maxUsedBytes: maxUsedSpace,
            minFreeBytes: minFreeSpace,
            filters: filter,
          });
          yield* gone.map(asUsage);
        },
      ),
    ],
  ];
}

const asUsage = (record: CacheRecord): Draft<typeof usageRecord> => ({
  id: record.id,
  inUse: record.inUse,
  size: record.size,
  createdAt: timestampOf(record.createdNs),
  lastUsedAt: record.lastUsedNs === undefined ? undefined : timestampOf(record.lastUsedNs),
  usageCount: record.usageCount,
  description: record.description,
  recordType: record.type,
  shared: record.shared,
  parents: record.parents,
  mutable: record.mutable,
});

const timestampOf = (ns: bigint) => ({ seconds: Number(ns / 1_000_000_000n), nanos: Number(ns % 1_000_000_000n) });
