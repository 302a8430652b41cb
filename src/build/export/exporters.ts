import { exportArchive } from './archive.ts';
import { exportFolder, exportTar } from './files.ts';
import { exportImage } from './image.ts';
import type { Exported, ExportScope } from './scope.ts';
import { missing } from '../solve/keys.ts';

type Exporter = (scope: ExportScope) => Promise<Exported>;

/** By the names that clients have for them; `moby` is what they say to an engine whose images the result is to be one of. */
const exporters: ReadonlyMap<string, Exporter> = new Map([
  ['moby', exportImage],
  ['image', exportImage],
  ['oci', exportArchive],
  ['docker', exportArchive],
  ['local', exportFolder],
  ['tar', exportTar],
]);

/** Gives a result where it is wanted. @throws not-implemented for an exporter that is not there */
export async function exportResult(scope: ExportScope): Promise<Exported> {
  const exporter = exporters.get(scope.request.type);
  if (exporter === undefined) throw missing(`the exporter ${JSON.stringify(scope.request.type)}`);
  return exporter(scope);
}
