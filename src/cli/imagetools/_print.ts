import { alignTabs } from '../../base/text/table.ts';
import { formatPlatform } from '../../spec/oci/platform.ts';
import { formatReference, type Reference } from '../../spec/reference/reference.ts';
import type { RegistryDocument } from '../registry/documents.ts';

const align = (rows: readonly string[]): string =>
  alignTabs(rows.map((row) => `${row}\n`).join(''), { minWidth: 0, padding: 1 });

/** Name, type and digest, and what an index leads to, as `docker buildx imagetools inspect` shows them. */
export function describe(name: Reference, { descriptor, document }: RegistryDocument): string {
  const head = align([
    `Name:\t${formatReference(name)}`,
    `MediaType:\t${descriptor.mediaType}`,
    `Digest:\t${descriptor.digest}`,
  ]);
  if (document.kind !== 'index') return head;
  let text = `${head}${align(['\t', 'Manifests:\t'])}`;
  let rows: string[] = [];
  document.index.manifests.forEach(({ mediaType, digest, platform, annotations = {} }, at) => {
    if (at > 0) rows.push('\t');
    rows.push(`  Name:\t${formatReference({ ...name, digest })}`, `  MediaType:\t${mediaType}`);
    if (platform === undefined) return;
    rows.push(`  Platform:\t${formatPlatform(platform)}`);
    if (platform['os.version']) rows.push(`  OSVersion:\t${platform['os.version']}`);
    if (platform['os.features']?.length) rows.push(`  OSFeatures:\t${platform['os.features'].join(', ')}`);
    const noted = Object.entries(annotations).sort(([a], [b]) => (a < b ? -1 : 1));
    if (noted.length === 0) return;
    rows.push('  Annotations:\t');
    text += align(rows) + align(noted.map(([key, value]) => `    ${key}:\t${value}`));
    rows = [];
  });
  return text + align(rows);
}
