import { writeTar } from '../../archive/tar/write.ts';
import { invalid } from '../../base/errors.ts';
import { provenance } from '../attest/provenance.ts';
import { type Built, platformId } from '../frontend/build.ts';
import { epochOf } from '../frontend/epoch.ts';
import { type SentFolder, sendFolder } from '../fsutil/send.ts';
import { missing } from '../solve/keys.ts';
import { sendFile, type SendTarget } from '../session/file-send.ts';
import { flag } from './attributes.ts';
import { belowPlatforms, checkDisjoint, folderName, type PlatformFolder } from './platform-folders.ts';
import { rootFolder } from './root-members.ts';
import type { Exported, ExportScope } from './scope.ts';
import { withStatements } from './statements.ts';

/** The files of the result in a folder of the client; of several platforms each in one of its own, unless that is not wished. */
export function exportFolder(scope: ExportScope): Promise<Exported> {
  const { attributes } = scope.request;
  const mode = attributes.get('mode') ?? 'copy';
  if (!['', 'copy', 'delete'].includes(mode)) {
    throw invalid(`unsupported mode ${JSON.stringify(mode)}: expected copy or delete`);
  }
  const isSplit = flag(attributes, 'platform-split', scope.results.isList);
  const sending = { name: 'exporting to client directory', line: 'copying files', isSplit };
  if (mode !== 'delete') return toClient(scope, { ...sending, isOne: false, send: sendFolder });
  if (!isSplit && scope.results.images.length > 1) throw missing('mode=delete with platform-split=false');
  // What was not sent is deleted by the client, which wants to hear that all of it comes at once.
  const send: Sending['send'] = (target, folder, progress) =>
    sendFolder({ ...target, more: { 'buildkit-exporter-multi-platform': '1' } }, folder, progress);
  return toClient(scope, { ...sending, isOne: true, send });
}

/** The same as one archive. */
export function exportTar(scope: ExportScope): Promise<Exported> {
  const send: Sending['send'] = (target, folder, progress) =>
    sendFile(target, writeTar(withBodies(folder)), new Map(), progress);
  const { isList: isSplit } = scope.results;
  return toClient(scope, { name: 'exporting to client tarball', line: 'sending tarball', isSplit, isOne: true, send });
}

/** Only files have content. */
async function* withBodies(folder: SentFolder) {
  for await (const { entry, body } of folder()) yield { entry, ...(entry.type === 'file' ? { body } : {}) };
}

interface Sending {
  /** Of the step, and of what it tells. */
  readonly name: string;
  readonly line: string;
  /** Each platform's files lie in a folder of their own. */
  readonly isSplit: boolean;
  /** All is sent at once; otherwise each platform alone. */
  readonly isOne: boolean;
  readonly send: (target: SendTarget, folder: SentFolder, progress: (bytes: number) => void) => Promise<void>;
}

async function toClient(scope: ExportScope, { name, line, isSplit, isOne, send }: Sending): Promise<Exported> {
  const { ports, job, results, request } = scope;
  const epoch = epochOf(request.attributes.get('source-date-epoch')) ?? results.images[0]?.epoch;
  const time = epoch ?? Math.floor(Date.now() / 1000);
  const session = await ports.sessions.find(job.request.session, job.signal);
  const target = { session, exporter: request.index, signal: job.signal };
  await job.step({ name, serial: request.index }, async (output) => {
    await withFolders(scope, { epoch, time, isSplit }, async (folders) => {
      if (!isSplit && folders.length > 1) await checkDisjoint(folders);
      for (const { about, folder } of sendings(folders, { isSplit, isOne, time })) {
        const counted = output.line(line + about);
        await send(target, folder, (bytes) => counted.progress(bytes));
        counted.done();
      }
    });
  });
  return new Map();
}

/** What is sent, one after the other, and what is said of it. */
function sendings(
  folders: readonly PlatformFolder[],
  { isSplit, isOne, time }: Pick<Sending, 'isSplit' | 'isOne'> & { readonly time: number },
): readonly { readonly about: string; readonly folder: SentFolder }[] {
  if (isOne && isSplit) return [{ about: '', folder: belowPlatforms(folders, time) }];
  return folders.map((one) => ({
    about: isSplit || folders.length > 1 ? ` ${one.platform}` : '',
    folder: isSplit ? belowPlatforms([one], time) : one.folder,
  }));
}

interface FolderWishes extends Pick<Sending, 'isSplit'> {
  readonly epoch: number | undefined;
  readonly time: number;
}

/** Lets `use` have the files of each platform, with the statements about them. */
async function withFolders(
  scope: ExportScope,
  wishes: FolderWishes,
  use: (folders: readonly PlatformFolder[]) => Promise<void>,
): Promise<void> {
  const { ports, job, results } = scope;
  const open = async (opened: readonly PlatformFolder[]): Promise<void> => {
    const built = results.images[opened.length];
    if (built === undefined) return use(opened);
    const withFiles = async (files: SentFolder): Promise<void> =>
      open([...opened, { platform: platformId(built), folder: await attested(scope, built, files, wishes) }]);
    if (built.layers.length === 0) return withFiles(noFiles);
    const layers = built.layers.map(({ diffId }) => diffId);
    return ports.steps.view(layers, (view) => withFiles(rootFolder(view, wishes.epoch, job.signal)));
  };
  await open([]);
}

function attested(
  { job, request, results }: ExportScope,
  built: Built,
  files: SentFolder,
  { time, isSplit }: FolderWishes,
): Promise<SentFolder> {
  const { provenance: wish } = built.attest;
  const predicates = [
    // What clients want of images by default is not for folders.
    ...(wish === undefined || wish.isDefault ? [] : [provenance(job, built, wish, new Date())]),
    ...built.sboms,
  ];
  const prefix = request.attributes.get('attestation-prefix') ?? '';
  const platform = folderName(platformId(built));
  const named = (file: string): string => file.replace(/(\.[^.]*)?$/, `.${platform}$1`);
  const isShared = results.isList && !isSplit;
  const own = isShared ? predicates.map((one) => ({ ...one, file: named(one.file) })) : predicates;
  return withStatements(files, own, { prefix, time });
}

const noFiles: SentFolder = async function* nothing() {};
