/** Encryption by gocryptfs, a program of Debian's that serves a directory through FUSE: for kernels without fscrypt. */
import { closeSync, existsSync, readSync, writeSync } from 'node:fs';
import { readdir, readFile, statfs } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';
import { EngineError } from '../../base/errors.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { boundedFile } from '../../sys/file/sealed.ts';
import { processEnded, processStartTime, signalProcess } from '../../sys/process/pidfd.ts';
import { createPipe } from '../../sys/process/pipe.ts';
import { spawn } from '../../sys/process/spawn.ts';

const program = '/usr/bin/gocryptfs';
const env = ['PATH=/usr/sbin:/sbin:/usr/bin:/bin', 'LC_ALL=C'];
/** What it says is kept in memory only: it may name files. */
const mostSaid = 16 << 10;
const mostMs = 60_000;
const SIGKILL = 9;

/** What this host lacks of gocryptfs, for a message; undefined when nothing. */
export function lackOfGocryptfs(): string | undefined {
  const lacking: readonly (readonly [string, string])[] = [
    [program, 'gocryptfs (package gocryptfs) is not installed'],
    ['/usr/bin/fusermount3', 'fusermount3 (package fuse3) is not installed'],
    ['/dev/fuse', 'there is no /dev/fuse (the kernel module fuse is not loaded: modprobe fuse)'],
  ];
  return lacking.find(([path]) => !existsSync(path))?.[1];
}

/** Makes an empty directory one that holds encrypted files. The key stays the caller's. @throws unavailable, internal. */
export async function beginEncrypted(directory: string, key: Buffer): Promise<void> {
  // The key is random: there is nothing to be had from slow guesses.
  await runIt(['-init', '-scryptn=10', '--', directory], key);
}

/**
 * Mounts at `target` what a directory of `beginEncrypted` holds. The process that serves it is nobody's child, outlives the
 * engine, and ends with the last mount. The key stays the caller's. @throws unavailable, internal.
 */
export async function mountEncrypted(directory: string, target: string, key: Buffer): Promise<void> {
  // For all users of the container, with the owners, modes and access lists that the files have; devices and set-id bits as
  // in any volume: what a container gets of it is mounted again, with flags of its own.
  const flags = ['-nosyslog', '-allow_other', '-acl', '-suid', '-dev', '-nonempty'];
  await runIt([...flags, '--', directory, target], key);
}

/** Runs it until it has ended, or serves in the background, with the key as its password. */
async function runIt(args: readonly string[], key: Buffer): Promise<void> {
  const lack = lackOfGocryptfs();
  if (lack !== undefined) throw new EngineError('unavailable', `encryption by gocryptfs: ${lack}`);
  const password = Buffer.from(`${key.toString('hex')}\n`);
  const said = boundedFile('gocryptfs', mostSaid);
  const input = createPipe();
  try {
    // Less than what a pipe holds.
    writeSync(input.write, password);
    closeSync(input.write);
    const fds = [
      [input.read, 0],
      [said, 1],
      [said, 2],
    ] as const;
    const child = spawn({ path: program, argv: [program, '-q', ...args], env, fds, newSession: true });
    const timer = setTimeout(() => child.signal(SIGKILL), mostMs);
    const { code } = await child.exited;
    clearTimeout(timer);
    if (code !== 0) throw new EngineError('internal', `gocryptfs ended with ${code}: ${readSaid(said)}`);
  } finally {
    password.fill(0);
    closeSync(input.read);
    closeSync(said);
  }
}

/** What it wrote, on one line and without colours. */
function readSaid(fd: number): string {
  const bytes = Buffer.alloc(mostSaid);
  const text = bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, 0));
  return stripVTControlCharacters(text.replaceAll('\0', '')).replaceAll(/\s+/g, ' ').trim().slice(0, 500);
}

/** True when something is mounted there whose process has ended: whatever is asked of it fails. */
export async function isDead(target: string): Promise<boolean> {
  try {
    // Answers to stat(2) are kept for a while.
    await statfs(target);
    return false;
  } catch (error) {
    return systemCode(error) === 'ENOTCONN';
  }
}

/**
 * Ends what serves a directory, or is about to, of an engine that was killed before that was mounted: what comes to be mounted
 * later would be nobody's.
 */
export async function endEncrypted(directory: string): Promise<void> {
  // It starts itself again in the background: another one may have come while the first was looked at.
  while (await endFound(directory));
}

/** False when there is none. */
async function endFound(directory: string): Promise<boolean> {
  let isFound = false;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  for (const pid of pids) {
    const start = processStartTime(pid);
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (start === undefined || words[0] !== program || !words.includes(directory)) continue;
    if (!signalProcess({ pid, start }, SIGKILL)) continue;
    isFound = true;
    await processEnded({ pid, start });
  }
  return isFound;
}
