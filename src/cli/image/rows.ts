import { humanSize } from '../../base/text/units.ts';
import type { ImageSummary } from '../../spec/engine/image.ts';
import { familiarName, parseReference } from '../../spec/reference/reference.ts';
import type { RowKind } from '../format/rows.ts';
import { goTime, shortId, timeAgo } from '../format/text.ts';

/** One line of a list of images: an image under one of its names. */
export interface ImageRow {
  readonly image: ImageSummary;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

const none = '<none>';

function byRepository(names: readonly string[] | null, part: 'tag' | 'digest'): Map<string, string[]> {
  const map = new Map<string, string[]>();
  for (const name of names ?? []) {
    try {
      const reference = parseReference(name);
      const value = reference[part];
      if (value === undefined) continue;
      const repository = familiarName(reference);
      map.set(repository, [...(map.get(repository) ?? []), value]);
    } catch {
      // A name that this client cannot read has no row of its own.
    }
  }
  return map;
}

/** A row a tag, and a row a repository that has digests only; `digests` doubles rows that have several. */
export function imageRowsOf(image: ImageSummary, shows: { digests: boolean; digestRows: boolean }): ImageRow[] {
  const tags = byRepository(image.RepoTags, 'tag');
  const digests = byRepository(image.RepoDigests, 'digest');
  const isDangling =
    (image.RepoTags ?? []).every((name) => name === '<none>:<none>') &&
    (image.RepoDigests ?? []).every((name) => name === '<none>@<none>');
  if (isDangling) return [{ image, repository: none, tag: none, digest: none }];
  const rows: ImageRow[] = [];
  for (const [repository, names] of tags) {
    const known = shows.digests ? (digests.get(repository) ?? []) : [];
    digests.delete(repository);
    for (const tag of names) {
      for (const digest of known.length === 0 ? [none] : known) rows.push({ image, repository, tag, digest });
    }
  }
  for (const [repository, known] of digests) {
    for (const digest of shows.digestRows ? known : ['']) rows.push({ image, repository, tag: none, digest });
  }
  return rows;
}

const orUnknown = (value: number, text: string): string => (value === -1 ? 'N/A' : text);

/** What `images --format` can name. */
export const imageKind = (truncates: boolean): RowKind<ImageRow> => ({
  goType: '*formatter.imageContext',
  columns: {
    Containers: { header: 'CONTAINERS', of: ({ image }) => orUnknown(image.Containers, String(image.Containers)) },
    CreatedAt: { header: 'CREATED AT', of: ({ image }) => goTime(image.Created) },
    CreatedSince: { header: 'CREATED', of: ({ image }) => timeAgo(image.Created) },
    Digest: { header: 'DIGEST', of: ({ digest }) => digest },
    ID: { header: 'IMAGE ID', of: ({ image }) => (truncates ? shortId(image.Id) : image.Id) },
    Repository: { header: 'REPOSITORY', of: ({ repository }) => repository },
    SharedSize: { header: 'SHARED SIZE', of: ({ image }) => orUnknown(image.SharedSize, humanSize(image.SharedSize)) },
    Size: { header: 'SIZE', of: ({ image }) => humanSize(image.Size, 3) },
    Tag: { header: 'TAG', of: ({ tag }) => tag },
    UniqueSize: {
      header: 'UNIQUE SIZE',
      of: ({ image }) => orUnknown(Math.min(image.Size, image.SharedSize, 0), humanSize(image.Size - image.SharedSize)),
    },
    VirtualSize: { header: 'SIZE', of: ({ image }) => humanSize(image.Size) },
  },
});
