import { stat } from 'node:fs/promises';
import { delay, KeyedMutex } from '../base/async.ts';
import type { ContainerId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { ContainerLogs, LoggedRun } from '../spec/contract/logs.ts';
import { entryAttributes } from './attributes.ts';
import { identityOf } from './log-file.ts';
import { LogPacker } from './packer.ts';
import { readLog } from './read.ts';
import { clearLog, type Exclusive, rotateForever } from './rotate.ts';
import { checkSettings, isRemote } from './settings/check.ts';
import { limitsOf } from './settings/limits.ts';
import { readCursor } from './shipping/cursor.ts';
import { type Shipper, Shippers } from './shipping/shippers.ts';

/** So long a removal waits for what was not sent. */
const LAST_CHANCE_MS = 10_000;
/** So long a new run waits for the sending of the last one to come to its end by itself. */
const HANDOVER_MS = 1000;

/** What is under way for one container. */
interface Care {
  readonly rotation: AbortController;
  shipper: Promise<Shipper> | undefined;
}

/** The logs that conmon writes in its `k8s-file` format: `<path>`, and rotated ones at `<path>.1` (newest) and on. */
export function openContainerLogs({ log }: { readonly log: Logger }): ContainerLogs {
  const cares = new Map<ContainerId, Care>();
  const shippers = new Shippers(log);
  const packer = new LogPacker(log);
  /** Two at work on one log would rename each other's files. */
  const files = new KeyedMutex<string>();
  const exclusive = (logPath: string): Exclusive => ({ run: (task) => files.run(logPath, task) });
  const forgetWhenOver = (id: ContainerId, care: Care, shipper: Shipper): void => {
    void shipper.over.then(() => {
      if (care.rotation.signal.aborted && cares.get(id) === care) cares.delete(id);
    });
  };
  const ship = (run: Omit<LoggedRun, 'reopen'>, before: Care | undefined): Promise<Shipper> =>
    handOver(before?.shipper).then(() => shippers.start(run.logPath, run.container, run.settings));

  return {
    read: readLog,
    check: checkSettings,
    limits: limitsOf,
    attributes: entryAttributes,
    begin(run) {
      const { id } = run.container;
      const before = cares.get(id);
      before?.rotation.abort();
      const held = isRemote(run.settings.driver);
      const care: Care = { rotation: new AbortController(), shipper: undefined };
      cares.set(id, care);
      const limits = limitsOf(run.settings);
      const mutex = exclusive(run.logPath);
      const rotated = (): void => {
        if (limits.compress) packer.start(id, run.logPath, mutex);
      };
      const aid = { reopen: run.reopen, held, mutex, rotated, log: log.with({ container: id }) };
      void rotateForever(run.logPath, limits, aid, care.rotation.signal);
      if (held) care.shipper = ship(run, before);
    },
    end(id) {
      const care = cares.get(id);
      care?.rotation.abort();
      if (care?.shipper === undefined) cares.delete(id);
      else {
        void care.shipper.then((shipper) => {
          shipper.end();
          forgetWhenOver(id, care, shipper);
        });
      }
    },
    finish(run) {
      if (!isRemote(run.settings.driver)) return;
      void isUnsent(run.logPath).then((unsent) => {
        const { id } = run.container;
        if (!unsent || cares.has(id)) return;
        cares.set(id, { rotation: new AbortController(), shipper: ship(run, undefined) });
        this.end(id);
      });
    },
    async sent(id) {
      await packer.stop(id);
      const shipper = await cares.get(id)?.shipper;
      if (shipper === undefined) return;
      const late = new AbortController();
      await Promise.race([shipper.over, delay(LAST_CHANCE_MS, late.signal).catch(() => undefined)]);
      late.abort();
      shipper.stop();
      await shipper.over;
    },
    clear: (logPath, reopen) => files.run(logPath, () => clearLog(logPath, reopen)),
    async close() {
      const all = [...cares.values()];
      cares.clear();
      for (const { rotation } of all) rotation.abort();
      await packer.close();
      const ending = await Promise.all(all.flatMap(({ shipper }) => shipper ?? []));
      for (const shipper of ending) shipper.stop();
      await Promise.all(ending.map((shipper) => shipper.over));
    },
  };
}

/** Waits until the sending of the last run is over: two would send the same, and write one cursor. */
async function handOver(before: Promise<Shipper> | undefined): Promise<void> {
  const shipper = await before;
  if (shipper === undefined) return;
  shipper.end();
  await Promise.race([shipper.over, delay(HANDOVER_MS)]);
  shipper.stop();
  await shipper.over;
}

/** Is there more in the log than its driver has sent? */
async function isUnsent(logPath: string): Promise<boolean> {
  const status = await stat(logPath, { bigint: true }).catch(() => undefined);
  if (status === undefined) return false;
  const { stdout, stderr } = readCursor(logPath);
  const identity = identityOf(status);
  return [stdout, stderr].some((place) => place?.file !== identity || place.at < Number(status.size));
}
