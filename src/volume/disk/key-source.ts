import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { EngineError } from '../../base/errors.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { run } from '../../sys/process/run.ts';

/** Where the key of an encrypted volume comes from: `file:/PATH`, `secret:NAME` or `command:/PATH`. */
export interface KeySource {
  readonly kind: 'file' | 'secret' | 'command';
  readonly value: string;
}

const longestKey = 64 << 10;
const commandMs = 60_000;
const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/** How a key's place is written. */
export const keyForms = 'file:/PATH, secret:NAME or command:/PATH';

/** Undefined for what is none of `keyForms`. */
export function parseKeySource(text: string): KeySource | undefined {
  const [, kind = '', value = ''] = /^(file|secret|command):(.*)$/s.exec(text) ?? [];
  const isSound = kind === 'secret' ? /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/.test(value) : /^\/[^\0]+$/.test(value);
  return isSound ? { kind: kind as KeySource['kind'], value } : undefined;
}

/**
 * The key, for the caller to overwrite: what is in the file, or what the command prints; a line break at its end does not
 * count. It is never in a message. `folders`: where secrets are, in the order in which they are looked through.
 * @throws EngineError unavailable, naming what was wrong with the source.
 */
export async function readKey(volume: string, source: KeySource, folders: readonly string[]): Promise<Buffer> {
  const fail = (why: string): EngineError =>
    new EngineError(
      'unavailable',
      `the key of the volume ${volume} cannot be read: ${source.kind} ${source.value}: ${why}`,
    );
  const bytes =
    source.kind === 'command' ? await runCommand(volume, source.value, fail) : await readSource(source, folders, fail);
  const end = bytes.at(-1) === 0x0a ? bytes.length - (bytes.at(-2) === 0x0d ? 2 : 1) : bytes.length;
  const key = Buffer.from(bytes.subarray(0, end));
  bytes.fill(0);
  if (key.length === 0) throw fail('it is empty');
  return key;
}

type Fail = (why: string) => EngineError;

async function readSource({ kind, value }: KeySource, folders: readonly string[], fail: Fail): Promise<Buffer> {
  const paths = kind === 'secret' ? folders.map((folder) => `${folder}/${value}`) : [value];
  for (const path of paths) {
    try {
      await using file = await open(path, O_RDONLY | O_NONBLOCK);
      return await readChecked(file, fail);
    } catch (error) {
      if (error instanceof EngineError) throw error;
      if (systemCode(error) !== 'ENOENT') throw fail(systemCode(error) ?? 'it cannot be opened');
    }
  }
  throw fail(kind === 'secret' ? `it is neither in ${folders.join(' nor in ')}` : 'there is no such file');
}

async function readChecked(file: FileHandle, fail: Fail): Promise<Buffer> {
  const stat = await file.stat();
  if (!stat.isFile()) throw fail('it is no file');
  if ((stat.mode & 0o022) !== 0) throw fail('others than its owner may write it');
  const buffer = Buffer.alloc(longestKey + 1);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
  if (bytesRead > longestKey) throw fail(`it is longer than ${longestKey} bytes`);
  return buffer.subarray(0, bytesRead);
}

/** A program that runs as the engine: only one that nobody but root can change. Its argument is the volume's name. */
async function runCommand(volume: string, path: string, fail: Fail): Promise<Buffer> {
  await checkProgram(path, fail);
  const request = {
    path,
    argv: [path, volume],
    env: ['PATH=/usr/sbin:/sbin:/usr/bin:/bin', `GANTRY_VOLUME=${volume}`],
    timeoutMs: commandMs,
    outputLimit: longestKey + 1,
  };
  const { code, stdout, timedOut } = await run(request).catch((error: unknown) => {
    throw fail(systemCode(error) ?? 'it cannot be run');
  });
  if (timedOut) throw fail(`it did not end within ${commandMs / 1000} seconds`);
  if (code !== 0) throw fail(`it ended with ${code ?? 'a signal'}`);
  if (stdout.length > longestKey) throw fail(`it printed more than ${longestKey} bytes`);
  return stdout;
}

async function checkProgram(path: string, fail: Fail): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    const code = systemCode(error);
    throw fail(
      code === 'ENOENT' ? 'there is no such file' : code === 'ELOOP' ? 'it is a link' : (code ?? 'it cannot be opened'),
    );
  }
  try {
    const { uid, mode } = await file.stat();
    if (uid !== 0 || (mode & 0o022) !== 0) throw fail('others than root may write it');
  } finally {
    await file.close();
  }
}
