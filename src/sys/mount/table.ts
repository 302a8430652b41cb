import { readFile } from 'node:fs/promises';

/** One line of /proc/self/mountinfo (proc_pid_mountinfo(5)). */
export interface MountEntry {
  readonly id: number;
  readonly parent: number;
  /** `major:minor` of the file system. */
  readonly device: string;
  /** What of the file system is mounted: `/` or a directory of it. */
  readonly root: string;
  readonly target: string;
  /** Of the mount: `ro`, `nosuid`, ... */
  readonly options: readonly string[];
  /** `shared:5`, `master:3`, ... */
  readonly propagation: readonly string[];
  readonly type: string;
  readonly source: string;
  /** Of the file system: `upperdir=...`, ... */
  readonly superOptions: readonly string[];
}

const isOctal = (text: string): boolean => {
  for (let at = 0; at < 3; at++) if (!(text.charCodeAt(at) >= 48 && text.charCodeAt(at) <= 55)) return false;
  return true;
};

/** Undoes the kernel's octal escapes of blank, tab, newline and backslash (`\040`). */
function unescape(text: string): string {
  if (!text.includes('\\')) return text;
  const bytes: number[] = [];
  const raw = Buffer.from(text);
  for (let at = 0; at < raw.length; at++) {
    const octal = raw[at] === 0x5c ? raw.toString('latin1', at + 1, at + 4) : '';
    if (isOctal(octal)) {
      bytes.push(Number.parseInt(octal, 8));
      at += 3;
    } else bytes.push(raw[at] ?? 0);
  }
  return Buffer.from(bytes).toString();
}

/** The entries of a mountinfo file, in the kernel's order: a later entry at the same target covers an earlier one. */
export function parseMountTable(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const fields = line.split(' ');
    const dash = fields.indexOf('-', 6);
    entries.push({
      id: Number(fields[0]),
      parent: Number(fields[1]),
      device: fields[2] ?? '',
      root: unescape(fields[3] ?? ''),
      target: unescape(fields[4] ?? ''),
      options: (fields[5] ?? '').split(','),
      propagation: fields.slice(6, dash),
      type: fields[dash + 1] ?? '',
      source: unescape(fields[dash + 2] ?? ''),
      superOptions: unescape(fields[dash + 3] ?? '').split(','),
    });
  }
  return entries;
}

/** The mounts of this process. */
export async function readMountTable(): Promise<MountEntry[]> {
  return parseMountTable(await readFile('/proc/self/mountinfo', 'utf8'));
}

/** True when something is mounted exactly at this absolute, link-free path. */
export async function isMounted(target: string): Promise<boolean> {
  return (await readMountTable()).some((entry) => entry.target === target);
}

/** The mount that holds an absolute, link-free path. */
export async function mountOf(path: string): Promise<MountEntry | undefined> {
  let best: MountEntry | undefined;
  for (const entry of await readMountTable()) {
    const holds = entry.target === '/' || path === entry.target || path.startsWith(`${entry.target}/`);
    if (holds && entry.target.length >= (best?.target.length ?? 0)) best = entry;
  }
  return best;
}
