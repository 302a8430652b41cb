import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { must } from './run.ts';

export interface ImageRecipe {
  /** `gantry-test/busybox:1` */
  readonly name: string;
  readonly config: {
    readonly Cmd?: readonly string[];
    readonly Entrypoint?: readonly string[];
    readonly Env?: readonly string[];
    readonly User?: string;
    readonly WorkingDir?: string;
    readonly ExposedPorts?: Readonly<Record<string, object>>;
    readonly Volumes?: Readonly<Record<string, object>>;
  };
  /** Uncompressed tar files, lowest layer first. */
  readonly layers: readonly string[];
}

/** Docker's word for this processor. */
export const architecture = process.arch === 'x64' ? 'amd64' : process.arch;

export async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** The image's config document, the same bytes for the same recipe and layers. */
export async function imageConfig(recipe: ImageRecipe): Promise<string> {
  const diffIds = await Promise.all(recipe.layers.map(digestOf));
  return JSON.stringify({
    architecture,
    os: 'linux',
    created: '2024-01-01T00:00:00Z',
    config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], ...recipe.config },
    rootfs: { type: 'layers', diff_ids: diffIds.map((id) => `sha256:${id}`) },
    history: diffIds.map((_, at) => ({ created: '2024-01-01T00:00:00Z', created_by: `test layer ${at + 1}` })),
  });
}

/** Writes a `docker load` archive to `target`, whole or not at all. */
export async function writeImageArchive(recipe: ImageRecipe, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const folder = await mkdtemp(`${target}-`);
  try {
    const config = await imageConfig(recipe);
    const configName = `${createHash('sha256').update(config).digest('hex')}.json`;
    const layerNames: string[] = [];
    for (const [at, layer] of recipe.layers.entries()) {
      await mkdir(join(folder, `layer${at}`));
      await copyFile(layer, join(folder, `layer${at}/layer.tar`));
      layerNames.push(`layer${at}/layer.tar`);
    }
    await writeFile(join(folder, configName), config);
    const manifest = [{ Config: configName, RepoTags: [recipe.name], Layers: layerNames }];
    await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
    const partial = join(folder, 'archive');
    await must('tar', [...stableTar, '-cf', partial, '-C', folder, 'manifest.json', configName, ...layerNames]);
    await rename(partial, target);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Options of tar that give the same bytes for the same files. */
export const stableTar = [
  '--sort=name',
  '--mtime=@1704067200',
  '--owner=0',
  '--group=0',
  '--numeric-owner',
  '--format=gnu',
];

export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
