import { invalid } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { ArchiveCompression } from '../../spec/contract/archives.ts';
import { decodeCloneVolume, decodeCreateSnapshot, decodeRekeyVolume } from '../../spec/decode/volume-snapshot.ts';
import { bodyStream } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';
import { writeBorrowed } from '../http/streams.ts';
import type { VolumeCopiesApi } from '../services/volume.ts';
import type { Handlers } from './handlers.ts';

const contentTypes: Readonly<Record<ArchiveCompression, string>> = {
  none: 'application/x-tar',
  gzip: 'application/gzip',
  zstd: 'application/zstd',
};
const importModes = ['empty', 'merge', 'replace'] as const;

/** Gantry's own: snapshots, clones, new names, export and import of volumes. */
export const volumeCopyHandlers = (volumes: VolumeCopiesApi): Handlers => ({
  async VolumeClone(exchange) {
    const { Name, Snapshot, Labels } = decodeCloneVolume(await exchange.json());
    if (Name === '') throw invalid('Name is missing: what the new volume is called');
    const request = { name: Name, snapshot: Snapshot === '' ? undefined : Snapshot, labels: Labels };
    exchange.send(201, await volumes.clone(exchange.param('name'), request, exchange.signal));
  },
  async VolumeRename(exchange) {
    const name = exchange.text('name') ?? '';
    if (name === '') throw invalid('the parameter name is missing: what the volume is to be called');
    await volumes.rename(exchange.param('name'), name);
    exchange.empty(204);
  },
  async VolumeResize(exchange) {
    const size = exchange.text('size') ?? '';
    if (!/^\d{1,15}$/.test(size))
      throw invalid(`invalid size ${JSON.stringify(size.slice(0, 100))}: bytes are expected`);
    await volumes.resize(exchange.param('name'), Number(size), exchange.signal);
    exchange.empty(204);
  },
  async VolumeRekey(exchange) {
    const { From, To } = decodeRekeyVolume(await exchange.json());
    await volumes.rekey(exchange.param('name'), { from: From || undefined, to: To || undefined });
    exchange.empty(204);
  },
  async VolumeExport(exchange) {
    const compression = choiceOf(exchange, 'compression', Object.keys(contentTypes) as ArchiveCompression[], 'zstd');
    const snapshot = exchange.text('snapshot') || undefined;
    const request = { compression, snapshot, decrypt: exchange.flag('decrypt') };
    const archive = volumes.export(exchange.param('name'), request, exchange.signal);
    await sendStream(exchange, contentTypes[compression], archive);
  },
  async VolumeImport(exchange) {
    const options = { mode: choiceOf(exchange, 'mode', importModes, 'empty'), signal: exchange.signal };
    exchange.send(200, await volumes.import(exchange.param('name'), bodyStream(exchange.request), options));
  },
  async VolumeSnapshotList(exchange) {
    exchange.send(200, await volumes.snapshots(exchange.param('name'), exchange.signal));
  },
  async VolumeSnapshotCreate(exchange) {
    const { Name, Labels } = decodeCreateSnapshot(await exchange.json());
    const request = { name: Name === '' ? undefined : Name, labels: Labels };
    exchange.send(201, await volumes.snapshot(exchange.param('name'), request, exchange.signal));
  },
  async VolumeSnapshotInspect(exchange) {
    exchange.send(200, await volumes.inspectSnapshot(...snapshotOf(exchange), exchange.signal));
  },
  async VolumeSnapshotDelete(exchange) {
    await volumes.removeSnapshot(...snapshotOf(exchange));
    exchange.empty(204);
  },
  async VolumeSnapshotRestore(exchange) {
    await volumes.restore(...snapshotOf(exchange), exchange.signal);
    exchange.empty(204);
  },
});

const snapshotOf = (exchange: Exchange): [string, string] => [exchange.param('name'), exchange.param('snapshot')];

/** @throws invalid for a value that is none of the choices. */
function choiceOf<Choice extends string>(
  exchange: Exchange,
  key: string,
  choices: readonly Choice[],
  absent: Choice,
): Choice {
  const text = exchange.text(key) ?? '';
  const found = text === '' ? absent : choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  throw invalid(`invalid ${key} ${JSON.stringify(text.slice(0, 100))}: it is one of ${choices.join(', ')}`);
}

/** An error before the first byte is an ordinary answer; after it the connection breaks. */
async function sendStream({ response, signal }: Exchange, contentType: string, stream: ByteStream): Promise<void> {
  for await (const piece of stream) {
    if (!response.headersSent) response.writeHead(200, { 'Content-Type': contentType });
    await writeBorrowed(response, piece, signal);
  }
  response.end();
}
