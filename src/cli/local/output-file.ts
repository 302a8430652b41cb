import { open, rename, rm } from 'node:fs/promises';

/** The file is there whole, or not at all. */
export async function writeOutputFile(path: string, body: AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = `${path}.partial-${process.pid}`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    for await (const chunk of body) await file.writeFile(chunk);
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
}
