import { formatTime } from '../../base/clock.ts';
import { invalid } from '../../base/errors.ts';
import { decodeCommitConfig } from '../../spec/decode/commit.ts';
import type { CommitRequest } from '../../spec/engine/commit.ts';
import { bodyStream } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendArchive, sendEncodedArchive } from '../http/outgoing-archive.ts';
import { socketBody } from '../http/socket-body.ts';
import type { ContainerService } from '../services/container.ts';
import type { PathStat } from '../services/container-files.ts';
import { goFileMode } from '../views/file-mode.ts';
import { compressionOf } from './layer-compression.ts';
import type { Handlers } from './handlers.ts';

const statHeader = 'X-Docker-Container-Path-Stat';

export function containerFileHandlers(containers: ContainerService): Handlers {
  return {
    async ContainerChanges(exchange) {
      const changes = await containers.changes(exchange.param('id'));
      // Docker answers null where nothing changed.
      exchange.send(200, changes.length === 0 ? null : changes);
    },
    async ImageCommit(exchange) {
      const request: CommitRequest = {
        config: decodeCommitConfig(await exchange.json()),
        repository: exchange.text('repo') ?? '',
        tag: exchange.text('tag') ?? '',
        comment: exchange.text('comment') ?? '',
        author: exchange.text('author') ?? '',
        pause: exchange.flag('pause', true),
        compression: compressionOf(exchange),
        changes: exchange.query.get('changes') ?? [],
      };
      const id = await containers.commit(exchange.text('container') ?? '', request, exchange.signal);
      exchange.send(201, { Id: id });
    },
    async ContainerExport(exchange) {
      const archive = await containers.export(exchange.param('id'), exchange.signal);
      await sendArchive(exchange, archive, { 'Content-Type': 'application/octet-stream' });
    },
    async ContainerArchiveInfo(exchange) {
      const stat = await containers.statPath(exchange.param('id'), pathOf(exchange));
      exchange.response.setHeader(statHeader, encodeStat(stat));
      exchange.empty(200);
    },
    async ContainerArchive(exchange) {
      const archive = await containers.packPath(exchange.param('id'), pathOf(exchange), exchange.signal);
      const headers = { 'Content-Type': 'application/x-tar', [statHeader]: encodeStat(archive.stat) };
      await sendEncodedArchive(exchange, archive, headers);
    },
    async PutContainerArchive(exchange) {
      const path = pathOf(exchange);
      const wishes = { keepKinds: exchange.flag('noOverwriteDirNonDir'), toUser: exchange.flag('copyUIDGID') };
      const archive = socketBody(exchange) ?? bodyStream(exchange.request);
      await containers.extractTo(exchange.param('id'), path, archive, wishes, exchange.signal);
      exchange.empty(200);
    },
  };
}

function pathOf(exchange: Exchange): string {
  const path = exchange.text('path') ?? '';
  if (path === '') throw invalid('bad parameter: path cannot be empty');
  if (path.includes('\0')) throw invalid('invalid path: it has a NUL in it');
  return path;
}

/** JSON in base64, as `docker cp` reads it. */
function encodeStat({ name, size, mode, mtimeNs, linkTarget }: PathStat): string {
  const value = { name, size, mode: goFileMode(mode), mtime: formatTime(mtimeNs), linkTarget };
  return Buffer.from(JSON.stringify(value)).toString('base64');
}
