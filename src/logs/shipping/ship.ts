import { dirname } from 'node:path';
import { delay, type Latch } from '../../base/async.ts';
import { messageOf } from '../../base/errors.ts';
import { LogChain, openFiles, waitForMore } from '../chain.ts';
import { ChangeWatch } from '../change.ts';
import { readState } from '../state.ts';
import { LONGEST_MESSAGE, type LogDriver } from '../drivers/driver.ts';
import { MessageAssembler, type Outgoing } from './assemble.ts';
import { CursorFile, noPlaces, type Places, readCursor } from './cursor.ts';

/** What goes to a driver at once: so much may be sent twice when the engine is killed meanwhile. */
const GROUP_MESSAGES = 64;
const GROUP_BYTES = 4 * LONGEST_MESSAGE;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5000;

export interface Shipment {
  readonly logPath: string;
  readonly driver: LogDriver;
  /** See `RotationLimits`. */
  readonly guardBytes?: number;
  /** Nobody writes any more: what is there is sent, then the shipping ends. */
  readonly ended: Latch;
  /** Ends at once; what was not sent is sent by the next one. */
  readonly signal: AbortSignal;
  readonly say: (level: 'info' | 'warn', message: string, fields?: Readonly<Record<string, unknown>>) => void;
}

/**
 * Sends a container's log to its driver, from the cursor on, for as long as the container runs. A backend that is away
 * or slow is waited for: the log file is the buffer, and rotation keeps what is not sent yet within a bound.
 */
export async function shipLog(shipment: Shipment): Promise<void> {
  const { logPath, driver, ended, signal } = shipment;
  const change = new ChangeWatch(dirname(logPath));
  const wake = () => change.disarm();
  signal.addEventListener('abort', wake, { once: true });
  void ended.wait().then(wake);
  const { chain, places, older, lost } = await openAt(logPath, readCursor(logPath), shipment.guardBytes);
  const cursor = new CursorFile(logPath);
  const sender = new Sender(shipment, cursor);
  const assembler = new MessageAssembler(places, older);
  try {
    if (lost) await sender.send([assembler.notice(await lastTime(), restNotice)]);
    let told = places.dropped;
    while (!signal.aborted) {
      const finished = ended.isSet;
      const batch = await chain.next(true);
      if (batch !== undefined) {
        if (batch.base === 0) {
          const { dropped } = await readState(logPath);
          assembler.markDropped(dropped);
          if (dropped > told) await sender.send([assembler.notice(batch.timeNs(0), filesNotice(dropped - told))]);
          told = dropped;
        }
        await sender.send(assembler.add(batch));
      } else if (finished) {
        await sender.send(assembler.flush());
        return;
      } else await waitForMore(change, chain, () => ended.isSet || signal.aborted);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', wake);
    change.disarm();
    driver.close();
    cursor.close();
    await chain.close();
  }
}

const restNotice = Buffer.from('[the log was cleared or dropped before all of it was sent: lines were lost here]');
const filesNotice = (files: number): Buffer =>
  Buffer.from(`[the log grew faster than it could be sent: ${files} of its files were lost here]`);
const lastTime = async (): Promise<bigint> => BigInt(Date.now()) * 1_000_000n;

interface Opened {
  readonly chain: LogChain;
  readonly places: Places;
  /** See `MessageAssembler`. */
  readonly older: ReadonlySet<string>;
  /** The place that the cursor had is gone. */
  readonly lost: boolean;
}

/** The log from the earlier of the two streams' places on. */
async function openAt(logPath: string, cursor: Places, guardBytes?: number): Promise<Opened> {
  const files = await openFiles(logPath);
  const streams = (['stdout', 'stderr'] as const).map((name) => {
    const place = cursor[name];
    // Newest first: the greater index is the older file, and behind all of them is the beginning.
    const index = place === undefined ? files.length : files.findIndex(({ identity }) => identity === place.file);
    return { name, index, at: place?.at ?? 0 };
  });
  if (streams.some(({ index }) => index < 0)) {
    const places = { ...noPlaces, dropped: cursor.dropped };
    return { chain: new LogChain(logPath, files, files.length, guardBytes), places, older: new Set(), lost: true };
  }
  const oldest = Math.max(...streams.map(({ index }) => index));
  const file = files[oldest];
  if (file !== undefined) {
    file.position = Math.min(...streams.filter(({ index }) => index === oldest).map(({ at }) => at));
  }
  const older = streams.flatMap(({ name, index }) =>
    files.slice(index + 1).map(({ identity }) => `${name} ${identity}`),
  );
  const chain = new LogChain(logPath, files, Math.min(oldest + 1, files.length), guardBytes);
  return { chain, places: cursor, older: new Set(older), lost: false };
}

/** Hands messages to the driver until it has them, and writes down how far it has got. */
class Sender {
  readonly #shipment: Shipment;
  readonly #cursor: CursorFile;

  constructor(shipment: Shipment, cursor: CursorFile) {
    this.#shipment = shipment;
    this.#cursor = cursor;
  }

  async send(messages: readonly Outgoing[]): Promise<void> {
    for (let at = 0; at < messages.length; ) {
      const from = at;
      for (let bytes = 0; at < messages.length && at - from < GROUP_MESSAGES && bytes < GROUP_BYTES; at++) {
        bytes += messages[at]?.message.line.length ?? 0;
      }
      await this.#sendGroup(messages.slice(from, at));
    }
  }

  async #sendGroup(group: readonly Outgoing[]): Promise<void> {
    const { driver, signal, say } = this.#shipment;
    let left = group;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      let done = 0;
      const sent = (count: number): void => {
        const last = left[count - 1];
        if (count > done && last !== undefined) this.#cursor.save(last.after);
        done = Math.max(done, count);
      };
      try {
        await driver.send(
          left.map(({ message }) => message),
          sent,
          signal,
        );
        if (pause > FIRST_PAUSE_MS) say('info', 'the log driver works again');
        return;
      } catch (error) {
        if (signal.aborted) throw error;
        left = left.slice(done);
        if (left.length === 0) return;
        if (pause === FIRST_PAUSE_MS)
          say('warn', 'the log driver cannot send: it tries again', { error: messageOf(error) });
      }
      await delay(pause, signal);
    }
  }
}
