import { invalid } from '../base/errors.ts';
import type { Digest } from '../base/ids.ts';
import { booleanFilter, type Filters, filterValues, labelsMatch } from '../spec/engine/filters.ts';
import type { ImageDeleteItem, ImagePrunePlanItem, ImagePruneView } from '../spec/engine/image.ts';
import { formatReference, repositoryOf } from '../spec/reference/reference.ts';
import type { ImageContext } from './context.ts';
import { untilSeconds } from './list.ts';
import type { StoredImage } from './records.ts';
import { planDelete } from './remove.ts';
import { chooseVariant } from './resolve.ts';
import { contentSizes, repoTags, unixSeconds } from './view.ts';

const knownFilters = new Set(['dangling', 'label', 'label!', 'until']);

export interface PruneOptions {
  readonly filters: Filters;
  /** Only the plan; nothing goes. */
  readonly dryRun?: boolean;
  /** So many of the newest images of every repository stay. */
  readonly keepLast?: number;
}

/**
 * Deletes images that no container uses: untagged ones, or with `dangling=false` all. The plan says why each of them goes
 * and how many bytes that gives back: blobs and layers that another image has are not counted. @throws EngineError `invalid`
 */
export async function pruneImages(context: ImageContext, options: PruneOptions): Promise<ImagePruneView> {
  const { filters, dryRun = false, keepLast = 0 } = options;
  for (const key of filters.keys()) if (!knownFilters.has(key)) throw invalid(`invalid filter '${key}'`);
  const dangling = booleanFilter(filters, 'dangling') ?? true;
  if (dangling === 'bad') throw invalid("invalid filter 'dangling': expected true or false");
  const limits = (filterValues(filters, 'until') ?? []).map((text) => untilSeconds(text, context));
  const kept = await newestOfRepositories(context, keepLast);
  const deleted: ImageDeleteItem[] = [];
  const plan: ImagePrunePlanItem[] = [];
  const gone = new Set<Digest>();
  for (const { id } of context.catalog.images()) {
    await context.catalog.exclusive(async (commit) => {
      const image = context.catalog.image(id);
      if (image === undefined || kept.has(id) || context.users.of(id).length > 0) return;
      const names = context.catalog.namesOf(id);
      if (dangling && names.length > 0) return;
      if (!(await isWanted(context, image, filters, limits))) return;
      const planned = await planDelete(context, image, names);
      plan.push({
        Id: id,
        RepoTags: repoTags(names),
        Reason: names.length === 0 ? 'it has no name and no container uses it' : 'no container uses it',
        Freed: freedBytes(context, image, gone),
      });
      gone.add(id);
      if (dryRun) return;
      await commit(planned.change);
      deleted.push(...planned.items);
    });
  }
  const reclaimed = plan.reduce((sum, { Freed }) => sum + Freed, 0);
  if (dryRun) return { ImagesDeleted: null, SpaceReclaimed: reclaimed, Plan: plan };
  if (deleted.length > 0) await context.content.collect();
  const attributes = { reclaimed: String(reclaimed) };
  await context.catalog.tell({ type: 'image', action: 'prune', actorId: '', attributes });
  return { ImagesDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed };
}

/** The images that are among the `count` newest of a repository that names them. */
async function newestOfRepositories(context: ImageContext, count: number): Promise<ReadonlySet<Digest>> {
  const kept = new Set<Digest>();
  if (count === 0) return kept;
  const repositories = new Map<string, Map<Digest, number>>();
  for (const image of context.catalog.images()) {
    const created = await createdSeconds(context, image);
    for (const { reference } of context.catalog.namesOf(image.id)) {
      const repository = formatReference(repositoryOf(reference));
      const members = repositories.get(repository) ?? new Map<Digest, number>();
      repositories.set(repository, members.set(image.id, created));
    }
  }
  for (const members of repositories.values()) {
    const newest = [...members].sort(([, a], [, b]) => b - a).slice(0, count);
    for (const [id] of newest) kept.add(id);
  }
  return kept;
}

async function createdSeconds(context: ImageContext, image: StoredImage): Promise<number> {
  if (image.variants.length === 0) return 0;
  const { config } = chooseVariant(image, context.host, undefined, image.id);
  return unixSeconds((await context.configs(config.digest)).created);
}

/** Bytes on disk of what only this image has, once those in `gone` are away. */
function freedBytes(context: ImageContext, image: StoredImage, gone: ReadonlySet<Digest>): number {
  const sizes = contentSizes(context, image);
  for (const other of context.catalog.images()) {
    if (other.id === image.id || gone.has(other.id)) continue;
    for (const key of contentSizes(context, other).keys()) sizes.delete(key);
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

async function isWanted(
  context: ImageContext,
  image: StoredImage,
  filters: Filters,
  limits: readonly number[],
): Promise<boolean> {
  if (image.variants.length === 0) return limits.length === 0 && filterValues(filters, 'label') === undefined;
  const { config } = chooseVariant(image, context.host, undefined, image.id);
  const { created, config: run } = await context.configs(config.digest);
  return limits.every((limit) => unixSeconds(created) < limit) && labelsMatch(filters, run.Labels ?? {});
}
