import { mkdtempSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';

/** An empty folder that goes with the test. */
export function emptyFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'gantry-build-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A folder with these files, gone with the test. */
export async function folder(t: TestContext, files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const path = emptyFolder(t);
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), content);
  }
  return path;
}

export const lines = (...text: readonly string[]): string => `${text.join('\n')}\n`;
