import { sendFile } from '../session/file-send.ts';
import { flag } from './attributes.ts';
import { makeImage } from './image.ts';
import { missing } from '../solve/keys.ts';
import type { Exported, ExportScope } from './scope.ts';

/** The image as an OCI layout in one archive of the client's (`oci`), which Docker's older engines read as well (`docker`). */
export async function exportArchive(scope: ExportScope): Promise<Exported> {
  const { ports, job, content, request } = scope;
  const { type, attributes, index } = request;
  if (!flag(attributes, 'tar', true)) throw missing('an OCI layout that is no archive (tar=false)');
  const session = await ports.sessions.find(job.request.session, job.signal);
  return job.step({ name: `exporting to ${type} image format` }, async (output) => {
    const { image, names, exported } = await makeImage(scope, output);
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
