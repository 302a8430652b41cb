import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { must } from '../support/run.ts';
import type { Docker } from './_docker.ts';

/** What can be compared of two images. */
export interface Shape {
  readonly config: Record<string, unknown>;
  /** What `docker history` says of the build's own steps, the first one first. */
  readonly history: readonly string[];
  /** The members of each layer above the base, as tar lists them. */
  readonly layers: readonly (readonly string[])[];
}

const contextTime = new Date('2023-05-06T07:08:09Z');
/** Times after this are those of the build. */
const recent = '2026-01-01';
/** Files of this day are the base image's: how large its programs are is the host's matter. */
const baseDate = '2024-01-01';

/** Gives everything below `root`, but for links, the time that the contexts of tests have. */
export async function dateContext(root: string): Promise<void> {
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) await utimes(join(entry.parentPath, entry.name), contextTime, contextTime);
  }
}

/** `-rw-r--r-- 0/0 12 etc/hostname`, with the time when it is not that of the build. */
function memberLine(line: string): string {
  const [mode = '', owner = '', size = '', date = '', time = '', ...name] = line.split(/ +/);
  const isOld = date < recent && !mode.startsWith('l');
  const path = name.join(' ');
  // What says that a file is gone has no properties of its own.
  if (path.includes('/.wh.') || path.startsWith('.wh.')) return path;
  return [
    mode,
    owner,
    ...(mode.startsWith('-') && date !== baseDate ? [size] : []),
    ...(isOld ? [`${date}T${time}`] : []),
    ...name,
  ].join(' ');
}

/** The members of the layers above the first `below` ones in an archive that `docker save` wrote. */
async function layersOf(archive: string, below: number): Promise<string[][]> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-shape-'));
  try {
    const text = await must('tar', ['-xOf', archive, 'manifest.json']);
    const [manifest] = JSON.parse(text) as { Layers: string[] }[];
    const layers = manifest?.Layers.slice(below) ?? [];
    if (layers.length > 0) await must('tar', ['-xf', archive, '-C', folder, ...new Set(layers)]);
    const lists = layers.map(async (layer) => {
      const listed = await must('tar', ['--numeric-owner', '--full-time', '-tvf', join(folder, layer)], {
        env: { ...process.env, TZ: 'UTC0' },
      });
      return listed
        .split('\n')
        .filter((line) => line !== '')
        .map(memberLine)
        .sort();
    });
    return await Promise.all(lists);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const inspected = async <T>(docker: Docker, image: string, field: string): Promise<T> =>
  JSON.parse(await docker.ok('image', 'inspect', '--format', `{{json ${field}}}`, image)) as T;

/** An image's configuration without what is empty. */
export async function configOf(docker: Docker, image: string): Promise<Record<string, unknown>> {
  const config = Object.entries(await inspected<object>(docker, image, '.Config'));
  return Object.fromEntries(config.filter(([, value]) => value !== null && value !== ''));
}

/** The digests of an image's layers. */
export const layerIds = (docker: Docker, image: string): Promise<string[]> =>
  inspected<string[]>(docker, image, '.RootFS.Layers');

/** The steps of an image's history, the first one first. */
export async function historyOf(docker: Docker, image: string): Promise<string[]> {
  return (await docker.ok('history', '--no-trunc', '--format', '{{.CreatedBy}}', image)).split('\n').toReversed();
}

/**
 * What `image` is, above `base` where it stands on that. Members of layers that are `ignored` are left out, and layers
 * that have nothing else.
 */
export async function shapeOf(
  docker: Docker,
  image: string,
  base: string,
  ignored: (line: string) => boolean,
): Promise<Shape> {
  const [history, below] = [await historyOf(docker, image), await historyOf(docker, base)];
  const isOnBase = history[0] === below[0];
  const folder = await mkdtemp(join(tmpdir(), 'gantry-shape-'));
  try {
    const archive = join(folder, 'image.tar');
    await docker.ok('save', '-o', archive, image);
    const layers = await layersOf(archive, isOnBase ? (await layerIds(docker, base)).length : 0);
    return {
      config: await configOf(docker, image),
      history: isOnBase ? history.slice(below.length) : history,
      // Ours has no layer where nothing was changed.
      layers: layers.map((list) => list.filter((line) => !ignored(line))).filter((list) => list.length > 0),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
