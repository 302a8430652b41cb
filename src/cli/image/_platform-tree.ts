import { humanSize } from '../../base/text/units.ts';
import type { ImageSummary } from '../../spec/engine/image.ts';
import { formatPlatform } from '../../spec/oci/platform.ts';
import { shortId } from '../format/text.ts';

/** Where a tree is printed. */
export interface TreeScreen {
  /** Columns of the terminal; 0 where nothing limits lines. */
  readonly width: number;
  readonly colors: boolean;
}

interface Details {
  readonly id: string;
  readonly diskUsage: string;
  readonly contentSize: string;
  readonly inUse: boolean;
}
interface Child {
  readonly platform: string;
  readonly available: boolean;
  readonly details: Details;
}
interface TopImage {
  readonly names: readonly string[];
  readonly details: Details;
  readonly children: readonly Child[];
}

interface Column {
  readonly title: string;
  width: number;
  readonly isRight?: boolean;
  readonly of?: (details: Details) => string;
}

const untagged = '<untagged>';
const gap = '   ';
/** The first column is never narrower, other columns go first. */
const leastName = 12;
const leastWidth = 20;
const leastExtra = 'Extra'.length;

type Paint = (text: string) => string;
const plain: Paint = (text) => text;
const painted =
  (codes: string): Paint =>
  (text) =>
    `\x1b[${codes}m${text}\x1b[0m`;

/**
 * Images with the platforms that they have, as `docker image ls --tree` of Docker 29 shows them: sorted by name, what is not
 * here fainter.
 */
export function platformTree(images: readonly ImageSummary[], screen: TreeScreen): string {
  const tops = images.map(topOf).sort(byName);
  const width = screen.width === 0 ? 0 : Math.max(screen.width, leastWidth);
  const columns = fit(columnsOf(tops, screen.colors), width, tops);
  const lines: string[] = [];
  if (width > 0) lines.push(legend(width, screen.colors));
  const paint = screen.colors ? painted('1') : plain;
  lines.push(columns.map((column) => padded(column, column.title.toUpperCase(), paint)).join(gap));
  const isSpaced = tops.some(({ children }) => children.length > 0);
  for (const top of tops) {
    lines.push(...topLines(top, columns, screen.colors));
    top.children.forEach((child, at) => {
      const branch = at === top.children.length - 1 ? '└─ ' : '├─ ';
      const faint = screen.colors && !child.available ? painted('2') : plain;
      lines.push(row(columns, branch + child.platform, faint, child.details));
    });
    if (isSpaced) lines.push('');
  }
  return `${lines.join('\n')}\n`;
}

function topOf(image: ImageSummary): TopImage {
  const manifests = image.Manifests ?? [];
  const children = manifests.flatMap(({ Kind, ID, Available, Size, ImageData }): Child[] => {
    if (Kind !== 'image' || ImageData === undefined) return [];
    const inUse = ImageData.Containers !== null && ImageData.Containers.length > 0;
    const details = { id: ID, diskUsage: humanSize(Size.Total, 3), contentSize: humanSize(Size.Content, 3), inUse };
    return [{ platform: formatPlatform(ImageData.Platform), available: Available, details }];
  });
  const content = manifests.reduce((sum, { Size }) => sum + Size.Content, 0);
  return {
    names: [...(image.RepoTags ?? [])].sort(),
    details: {
      id: image.Id,
      diskUsage: humanSize(image.Size, 3),
      contentSize: humanSize(content, 3),
      inUse: image.Containers > 0 || children.some(({ details }) => details.inUse),
    },
    children,
  };
}

/** Nameless ones last. */
function byName({ names: [a = ''] }: TopImage, { names: [b = ''] }: TopImage): number {
  if ((a === '') !== (b === '')) return a === '' ? 1 : -1;
  return a < b ? -1 : a > b ? 1 : 0;
}

function columnsOf(tops: readonly TopImage[], colors: boolean): [Column, ...Column[]] {
  const anyInUse = tops.some(({ details }) => details.inUse);
  const mark = (inUse: boolean): string => {
    if (!anyInUse) return '';
    return colors ? (inUse ? chip : '   ') : inUse ? 'U' : ' ';
  };
  return [
    { title: 'Image', width: 0 },
    { title: 'ID', width: 12, of: ({ id }) => shortId(id) },
    { title: 'Disk usage', width: 10, isRight: true, of: ({ diskUsage }) => diskUsage },
    { title: 'Content size', width: 12, isRight: true, of: ({ contentSize }) => contentSize },
    { title: 'Extra', width: leastExtra, of: ({ inUse }) => mark(inUse) },
  ];
}

/** Gives the first column what its names need, if there is so much; what finds no room goes, from the right. */
function fit(columns: [Column, ...Column[]], width: number, tops: readonly TopImage[]): readonly Column[] {
  const [first, ...others] = columns;
  const widest = Math.max(
    first.title.length,
    ...tops.flatMap(({ names, children }) => [
      ...(names.length === 0 ? [untagged.length] : names.map((name) => name.length)),
      ...children.map(({ platform }) => platform.length + '└─ '.length),
    ]),
  );
  let left = width;
  const kept: Column[] = [first];
  for (const column of others) {
    const taken = column.width + gap.length;
    if (width > 0 && left - taken < leastName) break;
    left -= taken;
    kept.push(column);
  }
  first.width = width === 0 ? widest : Math.min(left, widest);
  return kept;
}

function topLines({ names, details }: TopImage, columns: readonly Column[], colors: boolean): string[] {
  const nameWidth = columns[0]?.width ?? 0;
  const last = names.at(-1);
  const paint = colors ? painted('34;1') : plain;
  if (last === undefined) return [row(columns, untagged, colors ? painted('2') : plain, details)];
  const above = names.slice(0, -1).map(paint);
  // A name that is too long has its line, and the numbers stand below it.
  if (last.length > nameWidth) return [...above, paint(last), row(columns, '', plain, details)];
  return [...above, row(columns, last, paint, details)];
}

const row = (columns: readonly Column[], name: string, paint: Paint, details: Details): string =>
  columns
    .map((column, at) => (at === 0 ? padded(column, name, paint) : padded(column, column.of?.(details) ?? '', plain)))
    .join(gap);

function padded({ width, isRight = false }: Column, text: string, paint: Paint): string {
  const shown = text === chip ? 3 : text.length;
  const blanks = ' '.repeat(Math.max(0, width - shown));
  return isRight ? blanks + paint(text) : paint(text) + blanks;
}

const chip = '\x1b[38;5;0m\x1b[48;5;14m U \x1b[0m';

/** What the letters in the last column mean, at the right edge. */
function legend(width: number, colors: boolean): string {
  const text = ' Info ->  U In Use';
  const shown = colors ? `${painted('96')(' Info →')} ${chip} In Use` : text;
  const length = colors ? ' Info →  U  In Use'.length : text.length;
  return ' '.repeat(Math.max(0, width - length)) + shown;
}
