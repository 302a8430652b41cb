import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestEngine } from './engine.ts';
import { ended, must } from './run.ts';
import { eventually } from './wait.ts';
import { WriteLog } from './write-log.ts';

/** The disk below an engine's data root, every write of which is recorded. */
export interface RecordedDisk extends AsyncDisposable {
  /** The disk as it was when the recording began. */
  readonly before: string;
  readonly log: WriteLog;
}

/**
 * Makes an ext4 file system and mounts it as the data root of an engine that was not started yet: a loop device on a
 * file that qemu-storage-daemon serves by FUSE and whose writes it logs. Dispose of it after the engine was stopped.
 */
export async function recordDisk(engine: TestEngine, sizeMiB: number): Promise<RecordedDisk> {
  const at = (name: string): string => join(engine.folder, name);
  await must('truncate', ['-s', `${sizeMiB}M`, at('live')]);
  // Without lazy initialisation: the kernel would write for minutes.
  const options = ['-q', '-m', '0', '-E', 'lazy_itable_init=0,lazy_journal_init=0,nodiscard', '-J', 'size=4'];
  await must('mkfs.ext4', [...options, at('live')]);
  await must('cp', ['--sparse=always', at('live'), at('before')]);
  await must('truncate', ['-s', '4G', at('log')]);
  await writeFile(at('export'), '');
  const [program, ...args] = engine.namespaces.enter([
    'qemu-storage-daemon',
    `--blockdev=driver=file,node-name=disk,filename=${at('live')},cache.direct=off`,
    `--blockdev=driver=file,node-name=log,filename=${at('log')},cache.direct=off`,
    '--blockdev=driver=blklogwrites,node-name=recorded,file=disk,log=log,log-sector-size=512',
    `--export=type=fuse,id=export,node-name=recorded,mountpoint=${at('export')},writable=on,growable=off`,
  ]);
  const daemon = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const end = ended(daemon);
  await eventually('the disk is served', async () => {
    const { stdout } = await engine.inside(['stat', '-c', '%s', at('export')]);
    return Number(stdout) === sizeMiB << 20;
  });
  const { code, stderr } = await engine.inside(['mount', '-o', 'loop', at('export'), engine.paths.dataRoot]);
  if (code !== 0) throw new Error(`mount of the recorded disk: ${stderr}`);
  const log = await WriteLog.open(at('log'));
  await eventually('the log has begun', async () =>
    log.checkHeader().then(
      () => true,
      () => false,
    ),
  );
  return {
    before: at('before'),
    log,
    async [Symbol.asyncDispose]() {
      await engine.inside(['umount', '-l', engine.paths.dataRoot]);
      await log[Symbol.asyncDispose]();
      daemon.kill('SIGTERM');
      await end;
    },
  };
}
