import { writeTar } from '../../archive/tar/write.ts';
import { invalid } from '../../base/errors.ts';
import { provenance } from '../attest/provenance.ts';
import { epochOf } from '../frontend/epoch.ts';
import { type SentFolder, sendFolder } from '../fsutil/send.ts';
import { sendFile, type SendTarget } from '../session/file-send.ts';
import { rootFolder } from './root-members.ts';
import type { Exported, ExportScope } from './scope.ts';
import { withStatements } from './statements.ts';

/** The files of the result in a folder of the client. */
export function exportFolder(scope: ExportScope): Promise<Exported> {
  const mode = scope.request.attributes.get('mode') ?? 'copy';
  if (mode !== 'copy' && mode !== '') throw invalid(`unsupported mode ${JSON.stringify(mode)}: expected copy`);
  return toClient(scope, 'exporting to client directory', 'copying files', sendFolder);
}

/** The same as one archive. */
export function exportTar(scope: ExportScope): Promise<Exported> {
  return toClient(scope, 'exporting to client tarball', 'sending tarball', async (target, folder, progress) =>
    sendFile(target, writeTar(withBodies(folder)), new Map(), progress),
  );
}

/** Only files have content. */
async function* withBodies(folder: SentFolder) {
  for await (const { entry, body } of folder()) yield { entry, ...(entry.type === 'file' ? { body } : {}) };
}

async function toClient(
  { ports, job, built, request }: ExportScope,
  name: string,
  line: string,
  send: (target: SendTarget, folder: SentFolder, progress: (bytes: number) => void) => Promise<void>,
): Promise<Exported> {
  const epoch = epochOf(request.attributes.get('source-date-epoch')) ?? built.epoch;
  const { provenance: wish } = built.attest;
  const predicates = [
    // What clients want of images by default is not for folders.
    ...(wish === undefined || wish.isDefault ? [] : [provenance(job, built, wish, new Date())]),
    ...built.sboms,
  ];
  const prefix = request.attributes.get('attestation-prefix') ?? '';
  const time = epoch ?? Math.floor(Date.now() / 1000);
  const session = await ports.sessions.find(job.request.session, job.signal);
  const target = { session, exporter: request.index, signal: job.signal };
  await job.step({ name, serial: request.index }, async (output) => {
    const counted = output.line(line);
    const progress = (bytes: number): void => counted.progress(bytes);
    const sendAll = async (folder: SentFolder): Promise<void> =>
      send(target, await withStatements(folder, predicates, { prefix, time }), progress);
    if (built.layers.length === 0) await sendAll(noFiles);
    else {
      await ports.steps.view(
        built.layers.map(({ diffId }) => diffId),
        (view) => sendAll(rootFolder(view, epoch, job.signal)),
      );
    }
    counted.done();
  });
  return new Map();
}

const noFiles: SentFolder = async function* nothing() {};
