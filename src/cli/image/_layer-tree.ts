import { alignTabs } from '../../base/text/table.ts';
import { humanSize } from '../../base/text/units.ts';
import type { ImageLayerView, ImageSummary } from '../../spec/engine/image.ts';
import { formatPlatform } from '../../spec/oci/platform.ts';
import { shortId } from '../format/text.ts';

/** A layer on top of certain others: layers that several images begin with are one node. */
interface Node {
  readonly layer: ImageLayerView;
  /** The images whose last layer it is. */
  readonly images: string[];
  readonly above: Map<string, Node>;
}

const bytesOf = ({ Size }: ImageLayerView): number => Size.Content + Size.Unpacked;

/**
 * The layers of images as a tree: what stands on the same layers branches off there; a layer with one other above it, and
 * nothing else, is followed by that one at the same depth. Below it what sharing saves.
 */
export function layerTree(images: readonly ImageSummary[]): string {
  const roots = new Map<string, Node>();
  const uses = new Map<string, { count: number; bytes: number }>();
  let count = 0;
  for (const image of images) {
    const complete = (image.Manifests ?? []).filter(({ ImageData }) => ImageData?.Layers !== undefined);
    for (const { ImageData } of complete) {
      const layers = ImageData?.Layers ?? [];
      const platform = complete.length > 1 && ImageData !== undefined ? ` (${formatPlatform(ImageData.Platform)})` : '';
      grow(roots, layers, `${nameOf(image)}${platform}`);
      count++;
      for (const layer of new Map(layers.map((one) => [one.DiffID, one])).values()) {
        const known = uses.get(layer.DiffID);
        uses.set(layer.DiffID, { count: (known?.count ?? 0) + 1, bytes: bytesOf(layer) });
      }
    }
  }
  const lines = [...roots.values()].sort(byImages).flatMap((root) => linesOf(root, '', ''));
  const table = alignTabs(['LAYER\tON DISK\tCONTENT\tIMAGES', ...lines].map((line) => `${line}\n`).join(''));
  return `${table}\n${summary(count, [...uses.values()])}\n`;
}

const nameOf = ({ Id, RepoTags }: ImageSummary): string =>
  RepoTags.length === 0 ? `<untagged> ${shortId(Id)}` : [...RepoTags].sort().join(', ');

function grow(roots: Map<string, Node>, layers: readonly ImageLayerView[], name: string): void {
  let level = roots;
  layers.forEach((layer, at) => {
    const node = level.get(layer.DiffID) ?? { layer, images: [], above: new Map<string, Node>() };
    level.set(layer.DiffID, node);
    if (at === layers.length - 1) node.images.push(name);
    level = node.above;
  });
}

const firstImage = ({ images, above }: Node): string =>
  [...images, ...[...above.values()].map(firstImage)].sort()[0] ?? '';
const byImages = (a: Node, b: Node): number => (firstImage(a) < firstImage(b) ? -1 : 1);

/** `indent` stands before what is above this layer, `branch` before the layer itself. */
function linesOf(from: Node, indent: string, branch: string): string[] {
  const lines: string[] = [];
  let node = from;
  let lead = branch;
  for (;;) {
    const { layer, images, above } = node;
    const sizes = `${humanSize(bytesOf(layer), 3)}\t${humanSize(layer.Size.Content, 3)}`;
    lines.push(`${lead}${shortId(layer.DiffID)}\t${sizes}\t${images.sort().join(', ')}`);
    const [only, ...others] = above.values();
    if (only === undefined) return lines;
    if (others.length > 0) break;
    node = only;
    lead = indent;
  }
  const sorted = [...node.above.values()].sort(byImages);
  sorted.forEach((child, at) => {
    const isLast = at === sorted.length - 1;
    lines.push(...linesOf(child, `${indent}${isLast ? '   ' : '│  '}`, `${indent}${isLast ? '└─ ' : '├─ '}`));
  });
  return lines;
}

function summary(images: number, layers: readonly { count: number; bytes: number }[]): string {
  const onDisk = layers.reduce((sum, { bytes }) => sum + bytes, 0);
  const saved = layers.reduce((sum, { count, bytes }) => sum + (count - 1) * bytes, 0);
  return `${images} images, ${layers.length} layers of ${humanSize(onDisk, 3)}; sharing saves ${humanSize(saved, 3)}`;
}
