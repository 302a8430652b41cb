import { newContainerId } from '../../base/ids.ts';
import type { LoggedContainer } from '../../spec/contract/logs.ts';
import { logTag } from '../attributes.ts';
import type { DriverContext, LogDriver, Message } from './driver.ts';

/** A container with a label, a variable and a command. */
export const testContainer: LoggedContainer = {
  id: newContainerId(),
  name: 'web',
  imageId: `sha256:${'a1'.repeat(32)}`,
  imageName: 'busybox:latest',
  createdNs: 1_700_000_000_000_000_000n,
  entrypoint: 'sh',
  args: ['-c', 'true'],
  env: ['TIER=front'],
  labels: { team: 'red' },
};

export function driverContext(driver: string, options: Record<string, string>): DriverContext {
  return {
    container: testContainer,
    settings: { driver, options },
    tag: logTag(testContainer, options),
    hostname: 'host',
    pid: 42,
    complain: (what) => {
      throw new Error(what);
    },
  };
}

/** 2026-11-23 02:18:20.263048793 UTC. */
export const testTimeNs = 1_795_400_300_263_048_793n;

export const message = (line: string, more: Partial<Message> = {}): Message => ({
  stream: 'stdout',
  timeNs: testTimeNs,
  line: Buffer.from(line),
  part: undefined,
  ...more,
});

/** Sends messages and gives how many the driver said are out. */
export async function sendAll(driver: LogDriver, messages: readonly Message[]): Promise<number> {
  let out = 0;
  await driver.send(messages, (count) => (out = count), AbortSignal.timeout(10_000));
  return out;
}
