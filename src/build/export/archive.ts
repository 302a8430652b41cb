import { invalid } from '../../base/errors.ts';
import type { WrittenImage } from '../../spec/contract/build.ts';
import type { StepOutput } from '../control/job.ts';
import { clientStore } from '../session/content-store.ts';
import { sendFile } from '../session/file-send.ts';
import type { Session } from '../session/session.ts';
import { flag } from './attributes.ts';
import { makeImage } from './image.ts';
import type { Exported, ExportScope } from './scope.ts';

/**
 * The image as an OCI layout of the client's (`oci`), in one archive unless `tar=false` asks for a folder; with what Docker's
 * older engines read beside it (`docker`).
 */
export async function exportArchive(scope: ExportScope): Promise<Exported> {
  const { ports, job, content, request } = scope;
  const { type, attributes, index } = request;
  const isArchive = flag(attributes, 'tar', true);
  if (type === 'docker' && scope.results.isList) {
    throw invalid('docker exporter does not currently support exporting manifest lists');
  }
  const session = await ports.sessions.find(job.request.session, job.signal);
  return job.step({ name: `exporting to ${type} image format`, serial: index }, async (output) => {
    const { image, names, exported } = await makeImage(scope, output);
    if (!isArchive) {
      await sendBlobs(scope, session, image, output);
      return exported;
    }
    const line = output.line('sending tarball');
    const options = { names, forDocker: type === 'docker', signal: job.signal };
    await sendFile(
      { session, exporter: index, signal: job.signal },
      await content.archiveImage(image, options),
      exported,
      (bytes) => line.progress(bytes),
    );
    line.done();
    return exported;
  });
}

/** What clients call the folder that such an image goes to; its index they write themselves. */
const folderName = 'export';

async function sendBlobs(
  { job, content }: ExportScope,
  session: Session,
  { blobs }: WrittenImage,
  output: StepOutput,
): Promise<void> {
  const folder = clientStore(session, folderName, undefined);
  for (const blob of blobs) {
    const line = output.line(`sending ${blob.digest}`);
    await folder.put(blob, () => content.blob(blob), job.signal);
    line.done();
  }
}
