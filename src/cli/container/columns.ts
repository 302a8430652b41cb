import { goQuote } from '../../base/text/quote.ts';
import { humanSize } from '../../base/text/units.ts';
import { familiarReference, parseReference, repositoryOf } from '../../spec/reference/reference.ts';
import type { ContainerSummary } from '../../spec/engine/container.ts';
import { labelsText } from '../format/labels.ts';
import type { RowKind } from '../format/rows.ts';
import { ellipsis, goTime, shortId, timeAgo } from '../format/text.ts';
import { describePorts } from './_ports.ts';

/** What `ps --format` can name. `truncates` is false for `--no-trunc`. */
export function containerRows(truncates: boolean): RowKind<ContainerSummary> {
  return {
    goType: '*formatter.ContainerContext',
    columns: {
      Command: { header: 'COMMAND', of: (item) => goQuote(truncates ? ellipsis(item.Command, 20) : item.Command) },
      CreatedAt: { header: 'CREATED AT', of: (item) => goTime(item.Created) },
      ID: { header: 'CONTAINER ID', of: (item) => (truncates ? shortId(item.Id) : item.Id) },
      Image: { header: 'IMAGE', of: (item) => imageText(item, truncates) },
      Labels: { header: 'LABELS', of: (item) => labelsText(item.Labels) },
      LocalVolumes: {
        header: 'LOCAL VOLUMES',
        of: (item) => String((item.Mounts ?? []).filter(({ Driver }) => Driver === 'local').length),
      },
      Mounts: { header: 'MOUNTS', of: (item) => mountsText(item, truncates) },
      Names: { header: 'NAMES', of: (item) => namesText(item, truncates) },
      Networks: { header: 'NETWORKS', of: (item) => Object.keys(item.NetworkSettings?.Networks ?? {}).join(',') },
      Platform: { header: 'PLATFORM', of: (item) => platformText(item) },
      Ports: { header: 'PORTS', of: (item) => describePorts(item.Ports ?? []) },
      RunningFor: { header: 'CREATED', of: (item) => timeAgo(item.Created) },
      Size: { header: 'SIZE', of: sizeText },
      State: { header: 'STATE', of: (item) => item.State },
      Status: { header: 'STATUS', of: (item) => item.Status },
    },
    methods: (item) => ({ Label: (name: string) => item.Labels?.[name] ?? '' }),
  };
}

export const containerTable = ['ID', 'Image', 'Command', 'RunningFor', 'Status', 'Ports', 'Names'] as const;

function namesText(item: ContainerSummary, truncates: boolean): string {
  const names = (item.Names ?? []).map((name) => (name.startsWith('/') ? name.slice(1) : name));
  return truncates ? (names.find((name) => !name.includes('/')) ?? names[0] ?? '') : names.join(',');
}

/** The image as it was named; its digest is left out, and an id is shortened. */
function imageText(item: ContainerSummary, truncates: boolean): string {
  if (item.Image === '') return '<no image>';
  if (!truncates) return item.Image;
  const short = shortId(item.ImageID);
  if (short === shortId(item.Image)) return short;
  if (!item.Image.includes('@')) return item.Image;
  try {
    const reference = parseReference(item.Image);
    const { tag } = reference;
    return familiarReference({ ...repositoryOf(reference), ...(tag === undefined ? {} : { tag }) });
  } catch {
    return item.Image;
  }
}

const mountsText = (item: ContainerSummary, truncates: boolean): string =>
  (item.Mounts ?? [])
    .map((mount) => mount.Name || mount.Source)
    .map((name) => (truncates ? ellipsis(name, 15) : name))
    .join(',');

/** `linux/amd64`, when the engine says of which platform the image is. */
function platformText(item: ContainerSummary): string | null {
  const platform = item.ImageManifestDescriptor?.['platform'] as
    | { readonly os?: string; readonly architecture?: string; readonly variant?: string }
    | undefined;
  if (platform === undefined) return null;
  return [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/');
}

function sizeText(item: ContainerSummary): string {
  const own = humanSize(item.SizeRw ?? 0, 3);
  const whole = item.SizeRootFs ?? 0;
  return whole > 0 ? `${own} (virtual ${humanSize(whole, 3)})` : own;
}
