import { parentPort } from 'node:worker_threads';
import { EngineError } from '../../base/errors.ts';
import { syncFileSystem } from '../../sys/file/at.ts';
import { JobPort, type JobTicket } from '../../sys/worker/job-port.ts';
import { TarParser } from '../tar/parse.ts';
import { inOverlay, type OverlayPaths, overlayChanges, stubsIn } from './changes.ts';
import { pack, type PackTask } from './pack.ts';
import { SocketSink } from './socket-sink.ts';
import { readPlainBody } from './socket-source.ts';
import { TreeFromTar, type UnpackTask } from './unpack.ts';

/** What the worker is asked to do with a tree of files. */
export type TreeTask =
  | PackTask
  | UnpackTask
  /** Gives the list of changes of an overlay's writable directory. */
  | { readonly kind: 'changes'; readonly paths: OverlayPaths }
  /** Writes them as the archive of a layer. */
  | { readonly kind: 'pack-layer'; readonly paths: OverlayPaths };

function work(task: TreeTask, port: JobPort): unknown {
  switch (task.kind) {
    case 'pack':
      return task.socket === undefined ? pack(task, port) : packTo(task.socket, task, port);
    case 'unpack':
      return unpack(task, port);
    case 'changes':
      return overlayChanges(task.paths, inOverlay(task.paths, stubsIn));
    case 'pack-layer':
      return inOverlay(task.paths, (directory, lower, ids) =>
        pack(
          { kind: 'pack', directory, name: undefined, as: 'layer', skip: stubsIn(directory, lower, ids), ids },
          port,
        ),
      );
  }
}

function packTo(socket: number, task: PackTask, port: JobPort): void {
  const sink = new SocketSink(socket, () => port.checkCancelled());
  pack(task, sink);
  sink.flush();
}

/** Gives what was read of a compressed archive from a socket: nothing was unpacked then. */
function unpack(task: UnpackTask, port: JobPort): Uint8Array | undefined {
  const tree = new TreeFromTar(task);
  try {
    const parser = new TarParser(tree);
    if (task.source === undefined) {
      for (let chunk = port.read(); chunk !== undefined; chunk = port.read()) parser.push(chunk);
    } else {
      const compressed = readPlainBody(
        task.source,
        () => port.checkCancelled(),
        (chunk) => parser.push(chunk),
      );
      if (compressed !== undefined) return compressed;
    }
    parser.finish();
    tree.complete();
    if (task.sync === true) syncFileSystem(task.root);
    return undefined;
  } finally {
    tree.close();
  }
}

const engine = parentPort;
if (engine === null) throw new EngineError('internal', 'tree.worker runs as a worker only');
engine.on('message', (ticket: JobTicket) => {
  const port = new JobPort(ticket);
  port.finish(() => work(ticket.task as TreeTask, port));
});
