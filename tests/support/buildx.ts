import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder, unpackPackages } from './docker-client.ts';
import type { TestEngine } from './engine.ts';

/** Debian's docker-buildx and docker-compose, unpacked into the cache: the folder that docker finds its plugins in. */
export function buildPlugins(): string {
  const folder = 'usr/libexec/docker/cli-plugins';
  const unpacked = join(cacheFolder, 'packages/buildx', folder);
  const isThere = ['docker-buildx', 'docker-compose'].every((name) => existsSync(join(unpacked, name)));
  return isThere ? unpacked : join(unpackPackages('sid', 'buildx', ['docker-buildx', 'docker-compose']), folder);
}

/** Lets the engine's docker client find buildx and compose; for `EngineOptions.prepare`. */
export async function withBuildx(engine: TestEngine): Promise<void> {
  const config = JSON.stringify({ cliPluginsExtraDirs: [buildPlugins()] });
  await writeFile(join(engine.paths.clientConfig, 'config.json'), config);
}
