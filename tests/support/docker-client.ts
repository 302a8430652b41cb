import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const repository = join(import.meta.dirname, '../..');

/** Where images and unpacked programs are kept between runs. */
export const cacheFolder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'gantry-test');

const oldestClient = 25;
let found: string | undefined;

/** The stock docker client: the one on PATH if it is new enough, else Debian's, unpacked into the cache. */
export function dockerClient(): string {
  found ??= clientOnPath() ?? unpackClient();
  return found;
}

function clientOnPath(): string | undefined {
  const version = spawnSync('docker', ['--version'], { encoding: 'utf8' });
  const major = /Docker version (\d+)\./.exec(version.stdout ?? '')?.[1];
  return major !== undefined && Number(major) >= oldestClient ? 'docker' : undefined;
}

function unpackClient(): string {
  const folder = unpackPackages('sid', 'docker', ['docker-cli']);
  return join(folder, 'usr/bin/docker');
}

/**
 * Unpacks packages of a Debian suite into the cache folder `name` and returns that folder.
 * @throws Error with apt's words when they cannot be had.
 */
export function unpackPackages(suite: string, name: string, packages: readonly string[]): string {
  const folder = join(cacheFolder, 'packages', name);
  mkdirSync(folder, { recursive: true });
  const script = join(repository, 'tools/debian-package');
  const result = spawnSync(script, [suite, folder, ...packages], { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`${packages.join(', ')} could not be unpacked:\n${result.stderr}`);
  return folder;
}
