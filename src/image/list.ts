import { invalid } from '../base/errors.ts';
import { booleanFilter, type Filters, filterValues } from '../spec/engine/filters.ts';
import type { ImageSummary } from '../spec/engine/image.ts';
import { familiarName, familiarReference, formatReference, repositoryOf } from '../spec/reference/reference.ts';
import type { ImageContext } from './context.ts';
import { globMatches } from '../base/text/glob.ts';
import type { ImageName, StoredImage } from './records.ts';
import { chooseVariant, findImage } from './resolve.ts';
import { imageLabelTest } from './labels.ts';
import { manifestSummaries } from './manifests.ts';
import { contentSizes, imageSize, repoDigests, repoTags, unixSeconds } from './view.ts';

const knownFilters = new Set(['reference', 'label', 'label!', 'dangling', 'before', 'since', 'until']);

export interface ListOptions {
  /** Images without a name that another one was made from, too. */
  readonly all?: boolean;
  readonly sharedSize: boolean;
  readonly manifests: boolean;
  /** Where images came from, in their manifests. */
  readonly identity?: boolean;
  /** The layers of what is here, in their manifests. */
  readonly layers?: boolean;
  readonly filters: Filters;
}

interface Row {
  readonly image: StoredImage;
  readonly names: readonly ImageName[];
  readonly created: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** The images as `GET /images/json` lists them, newest first. @throws EngineError `invalid` for unknown filters */
export async function listImages(context: ImageContext, options: ListOptions): Promise<ImageSummary[]> {
  const { filters, manifests, identity = false, layers = false } = options;
  for (const key of filters.keys()) if (!knownFilters.has(key)) throw invalid(`invalid filter '${key}'`);
  const accepts = await rowFilter(context, filters);
  const isHidden = options.all === true ? () => false : intermediates(context);
  const rows: Row[] = [];
  for (const image of context.catalog.images()) {
    if (isHidden(image)) continue;
    const row = await readRow(context, image);
    const names = row.names.filter((name) => matchesReference(filters, name));
    if (filterValues(filters, 'reference') !== undefined && names.length === 0) continue;
    if (await accepts(row)) rows.push({ ...row, names });
  }
  rows.sort((a, b) => b.created - a.created || (a.image.storedNs < b.image.storedNs ? 1 : -1));
  const shared = options.sharedSize ? sharedSizes(context) : () => -1;
  const summaries: ImageSummary[] = [];
  for (const { image, names, created, labels } of rows) {
    summaries.push({
      Id: image.id,
      ParentId: image.parent ?? '',
      RepoTags: repoTags(names),
      RepoDigests: repoDigests(names, image.id),
      Created: created,
      Size: imageSize(context, image),
      SharedSize: shared(image),
      Containers: context.users.of(image.id).length,
      Labels: { ...labels },
      Descriptor: image.target,
      ...(manifests ? { Manifests: await manifestSummaries(context, image, { identity, layers }) } : {}),
    });
  }
  return summaries;
}

/** Images without a name that others were made from: only who asks for all sees them. */
function intermediates({ catalog }: ImageContext): (image: StoredImage) => boolean {
  const parents = new Set(catalog.images().map(({ parent }) => parent));
  return ({ id }) => parents.has(id) && catalog.namesOf(id).length === 0;
}

async function readRow(context: ImageContext, image: StoredImage): Promise<Row> {
  const names = context.catalog.namesOf(image.id);
  if (image.variants.length === 0) return { image, names, created: 0, labels: {} };
  const { config } = chooseVariant(image, context.host, undefined, image.id);
  const { created, config: run } = await context.configs(config.digest);
  return { image, names, created: unixSeconds(created), labels: run.Labels ?? {} };
}

/** A pattern may be about the name as users write it or the whole one, each with the tag and without. */
function matchesReference(filters: Filters, { reference }: ImageName): boolean {
  const patterns = filterValues(filters, 'reference');
  if (patterns === undefined) return true;
  const forms = [
    familiarName(reference),
    familiarReference(reference),
    formatReference(repositoryOf(reference)),
    formatReference(reference),
  ];
  return patterns.some((pattern) => {
    const matches = forms.map((form) => globMatches(pattern, form));
    if (matches[0] === undefined) throw invalid(`invalid filter 'reference=${pattern}': syntax error in pattern`);
    return matches.includes(true);
  });
}

async function rowFilter(context: ImageContext, filters: Filters): Promise<(row: Row) => Promise<boolean>> {
  const dangling = booleanFilter(filters, 'dangling');
  if (dangling === 'bad') throw invalid("invalid filter 'dangling': expected true or false");
  const createdOf = async (name: string) => (await readRow(context, findImage(context.catalog, name).image)).created;
  const before = await Promise.all((filterValues(filters, 'before') ?? []).map(createdOf));
  const since = await Promise.all((filterValues(filters, 'since') ?? []).map(createdOf));
  const until = (filterValues(filters, 'until') ?? []).map((text) => untilSeconds(text, context));
  const labelsFit = imageLabelTest(filters);
  return async ({ image, names, created }) =>
    (dangling === undefined || dangling === (names.length === 0)) &&
    before.every((limit) => created < limit) &&
    since.every((limit) => created > limit) &&
    until.every((limit) => created < limit) &&
    (labelsFit === undefined || (await someVariant(context, image, labelsFit)));
}

/** Whether one of the platforms has such labels. */
async function someVariant(
  context: ImageContext,
  image: StoredImage,
  fits: (labels: Readonly<Record<string, string>>) => boolean,
): Promise<boolean> {
  for (const { config } of image.variants) {
    if (fits((await context.configs(config.digest)).config.Labels ?? {})) return true;
  }
  return false;
}

const unitSeconds = new Map([
  ['h', 3600],
  ['m', 60],
  ['s', 1],
  ['ms', 1e-3],
]);

/** Unix seconds of `until=`: a time stamp, an RFC 3339 time, or a duration before now (`24h`, `1h30m`). */
export function untilSeconds(text: string, { clock }: Pick<ImageContext, 'clock'>): number {
  const plain = Number(text);
  if (text !== '' && Number.isFinite(plain)) return plain;
  const ago = durationSeconds(text);
  if (ago !== undefined) return Number(clock.nowNs() / 1_000_000_000n) - ago;
  const millis = Date.parse(text);
  if (Number.isNaN(millis)) throw invalid(`invalid filter 'until=${text}': expected a time or a duration`);
  return millis / 1000;
}

function durationSeconds(text: string): number | undefined {
  let seconds = 0;
  let at = 0;
  while (at < text.length) {
    const numberEnd = skip(text, at, '0123456789.');
    const unitEnd = skip(text, numberEnd, 'hms');
    const unit = unitSeconds.get(text.slice(numberEnd, unitEnd));
    const amount = Number(text.slice(at, numberEnd));
    if (numberEnd === at || unit === undefined || !Number.isFinite(amount)) return undefined;
    seconds += amount * unit;
    at = unitEnd;
  }
  return text === '' ? undefined : seconds;
}

function skip(text: string, from: number, characters: string): number {
  let at = from;
  while (at < text.length && characters.includes(text.charAt(at))) at++;
  return at;
}

/** How many bytes of an image, blobs and unpacked layers, other images have, too. */
function sharedSizes(context: ImageContext): (image: StoredImage) => number {
  const sizesOf = (image: StoredImage) => contentSizes(context, image);
  const counts = new Map<string, number>();
  for (const image of context.catalog.images()) {
    for (const key of sizesOf(image).keys()) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return (image) => {
    let size = 0;
    for (const [key, bytes] of sizesOf(image)) if ((counts.get(key) ?? 0) > 1) size += bytes;
    return size;
  };
}
