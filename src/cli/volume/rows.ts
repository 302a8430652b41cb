import { humanSize } from '../../base/text/units.ts';
import type { VolumeView } from '../../spec/engine/volume.ts';
import { labelsText } from '../format/labels.ts';
import type { RowKind } from '../format/rows.ts';

/** What `volume ls --format` can name. */
export const volumeKind: RowKind<VolumeView> = {
  goType: '*formatter.volumeContext',
  columns: {
    Availability: { header: 'AVAILABILITY', of: () => 'N/A' },
    Driver: { header: 'DRIVER', of: ({ Driver }) => Driver },
    Group: { header: 'GROUP', of: () => 'N/A' },
    Labels: { header: 'LABELS', of: ({ Labels }) => labelsText(Labels) },
    Links: { header: 'LINKS', of: ({ UsageData }) => (UsageData == null ? 'N/A' : String(UsageData.RefCount)) },
    Mountpoint: { header: 'MOUNTPOINT', of: ({ Mountpoint }) => Mountpoint },
    Name: { header: 'VOLUME NAME', of: ({ Name }) => Name },
    Scope: { header: 'SCOPE', of: ({ Scope }) => Scope },
    Size: { header: 'SIZE', of: ({ UsageData }) => (UsageData == null ? 'N/A' : humanSize(UsageData.Size)) },
    Status: { header: 'STATUS', of: () => 'N/A' },
  },
  methods: ({ Labels }) => ({ Label: (name: string) => Labels?.[name] ?? '' }),
};
