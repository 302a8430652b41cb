import { formatTime } from '../base/clock.ts';
import { invalid } from '../base/errors.ts';
import type { Digest } from '../base/ids.ts';
import { booleanFilter, type Filters, filterValues, labelsMatch } from '../spec/engine/filters.ts';
import { formatReference, repositoryOf } from '../spec/reference/reference.ts';
import type { ImageContext } from './context.ts';
import { imageLabelTest } from './labels.ts';
import { untilSeconds } from './list.ts';
import type { ImageName, StoredImage } from './records.ts';
import { chooseVariant } from './resolve.ts';
import { contentSizes, unixSeconds } from './view.ts';

/** What `POST /images/prune` asks for: Docker's filters, and Gantry's additions. */
export interface PruneOptions {
  readonly filters: Filters;
  /** Only tell what would go. */
  readonly dryRun?: boolean;
  /** Only images that were neither used nor brought here for so many nanoseconds. */
  readonly unusedForNs?: bigint;
  /** So many of the newest images of every repository stay. */
  readonly keepLast?: number;
  /** Images with one of these labels stay. */
  readonly keepLabels?: readonly string[];
  /** No more goes than gives back so many bytes, what has been unused the longest first. */
  readonly toFree?: number;
}

/** An image that is to go. */
export interface PlannedDeletion {
  readonly image: StoredImage;
  readonly names: readonly ImageName[];
  /** In words for the user. */
  readonly reason: string;
  /** Bytes that no image needs any more once this one and those before it in the plan are gone. */
  readonly freed: number;
}

const knownFilters = new Set(['dangling', 'label', 'label!', 'until']);

/**
 * Which images a prune takes, oldest first. Images of containers, running or not, always stay.
 * @throws EngineError `invalid`
 */
export async function planPrune(context: ImageContext, options: PruneOptions): Promise<PlannedDeletion[]> {
  const { filters, unusedForNs = 0n, keepLast = 0, keepLabels = [], toFree } = options;
  for (const key of filters.keys()) if (!knownFilters.has(key)) throw invalid(`invalid filter '${key}'`);
  const dangling = booleanFilter(filters, 'dangling') ?? true;
  if (dangling === 'bad') throw invalid("invalid filter 'dangling': expected true or false");
  const limits = (filterValues(filters, 'until') ?? []).map((text) => untilSeconds(text, context));
  const kept = await newestOfRepositories(context, keepLast);
  const newestUse = unusedForNs === 0n ? undefined : context.clock.nowNs() - unusedForNs;
  const chosen: Chosen[] = [];
  for (const image of context.catalog.images()) {
    const names = context.catalog.namesOf(image.id);
    if (context.mounted.pathOf(image.id) !== undefined) continue;
    if (context.users.of(image.id).length > 0 || (dangling && names.length > 0) || kept.has(image.id)) continue;
    const used = context.uses.of(image.id);
    const active = used !== undefined && used > image.storedNs ? used : image.storedNs;
    if (newestUse !== undefined && active > newestUse) continue;
    if (!(await isWanted(context, image, filters, limits))) continue;
    if (keepLabels.length > 0 && (await hasLabel(context, image, keepLabels))) continue;
    const reasons = [
      names.length === 0 ? 'it has no name and no container uses it' : 'no container uses it',
      ...(keepLast === 0 || names.length === 0 ? [] : [`not among the newest ${keepLast} of its repository`]),
      ...(newestUse === undefined
        ? []
        : [`${used === undefined ? 'never used since it came' : 'last used'} at ${formatTime(active)}`]),
    ];
    chosen.push({ image, names, active, reason: reasons.join('; ') });
  }
  if (toFree !== undefined) return untilFreed(context, chosen, toFree);
  chosen.sort((a, b) => (a.image.storedNs < b.image.storedNs ? -1 : a.image.storedNs > b.image.storedNs ? 1 : 0));
  return withSizes(context, chosen);
}

/** An image that may go; `active` is when it was last used, or came. */
type Chosen = Omit<PlannedDeletion, 'freed'> & { readonly active: bigint };

/** What has been unused the longest, until enough is given back; nothing that gives nothing back in the end. */
function untilFreed(context: ImageContext, chosen: readonly Chosen[], toFree: number): PlannedDeletion[] {
  const oldest = chosen.toSorted((a, b) => (a.active < b.active ? -1 : a.active > b.active ? 1 : 0));
  let freed = 0;
  const enough: Chosen[] = [];
  for (const [at, deletion] of withSizes(context, oldest).entries()) {
    if (freed >= toFree) break;
    freed += deletion.freed;
    enough.push(oldest[at] ?? { ...deletion, active: 0n });
  }
  const going = new Set(enough.map(({ image }) => image.id));
  const staying = new Set<string>();
  for (const image of context.catalog.images()) {
    if (!going.has(image.id)) for (const piece of contentSizes(context, image).keys()) staying.add(piece);
  }
  const useful = enough.filter(({ image }) =>
    [...contentSizes(context, image).keys()].some((piece) => !staying.has(piece)),
  );
  return withSizes(context, useful);
}

/** What several images have is given back by the last of them: counted once, and only when all of them go. */
function withSizes(context: ImageContext, chosen: readonly Chosen[]): PlannedDeletion[] {
  if (chosen.length === 0) return [];
  const owners = new Map<string, number>();
  for (const image of context.catalog.images()) {
    for (const piece of contentSizes(context, image).keys()) owners.set(piece, (owners.get(piece) ?? 0) + 1);
  }
  return chosen.map((deletion) => {
    let freed = 0;
    for (const [piece, bytes] of contentSizes(context, deletion.image)) {
      const left = (owners.get(piece) ?? 1) - 1;
      owners.set(piece, left);
      if (left === 0) freed += bytes;
    }
    const { image, names, reason } = deletion;
    return { image, names, reason, freed };
  });
}

/** The images that are among the `count` newest of a repository that names them. */
async function newestOfRepositories(context: ImageContext, count: number): Promise<ReadonlySet<Digest>> {
  const kept = new Set<Digest>();
  if (count === 0) return kept;
  const repositories = new Map<string, Map<Digest, number>>();
  for (const image of context.catalog.images()) {
    const names = context.catalog.namesOf(image.id);
    const created = names.length === 0 ? 0 : await createdSeconds(context, image);
    for (const { reference } of names) {
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

async function isWanted(
  context: ImageContext,
  image: StoredImage,
  filters: Filters,
  limits: readonly number[],
): Promise<boolean> {
  const labelsFit = imageLabelTest(filters);
  if (image.variants.length === 0) return limits.length === 0 && labelsFit === undefined;
  const { config } = chooseVariant(image, context.host, undefined, image.id);
  const { created, config: run } = await context.configs(config.digest);
  return limits.every((limit) => unixSeconds(created) < limit) && (labelsFit?.(run.Labels ?? {}) ?? true);
}

/** Whether one of its configurations has one of these labels (`NAME` or `NAME=VALUE`). */
async function hasLabel(context: ImageContext, { variants }: StoredImage, wanted: readonly string[]): Promise<boolean> {
  for (const { config } of variants) {
    const labels = (await context.configs(config.digest)).config?.Labels ?? {};
    if (wanted.some((label) => labelsMatch(new Map([['label', [label]]]), labels))) return true;
  }
  return false;
}
