import { resolve } from 'node:path';
import { CliError } from '../errors.ts';
import type { CacheEntry } from './_attributes.ts';
import { digestInLayout, noteInLayout } from './_layout.ts';
import type { Outputs } from './_outputs.ts';

/** Folders of this machine that the engine reads blobs from and writes them to, by the names that it has for them. */
export interface Stores {
  readonly folders: ReadonlyMap<string, string>;
  readonly imports: readonly CacheEntry[];
  readonly exports: readonly CacheEntry[];
  /** Notes in the folders what has come, when the build is over. */
  readonly finish: (response: ReadonlyMap<string, string>) => void;
}

const usualTag = 'latest';

/** What `type=local` caches and OCI layouts in folders need. @throws CliError where a folder is not named */
export function storesOf(imports: readonly CacheEntry[], exports: readonly CacheEntry[], outputs: Outputs): Stores {
  const folders = new Map<string, string>();
  const written: { readonly folder: string; readonly tag: string }[] = [];
  const folderOf = ({ attrs }: CacheEntry, flag: string, key: string): string => {
    const folder = attrs.get(key) ?? '';
    if (folder === '') throw new CliError(`--${flag}: type=local needs ${key}=FOLDER`);
    folders.set(`local:${folder}`, resolve(folder));
    return folder;
  };
  for (const entry of exports) {
    if (entry.type !== 'local') continue;
    written.push({ folder: folderOf(entry, 'cache-to', 'dest'), tag: entry.attrs.get('tag') ?? usualTag });
  }
  const found = imports.map((entry): CacheEntry => {
    if (entry.type !== 'local') return entry;
    const folder = folderOf(entry, 'cache-from', 'src');
    if (entry.attrs.has('digest')) return entry;
    const digest = digestInLayout(folder, entry.attrs.get('tag') ?? usualTag);
    return digest === undefined ? entry : { type: 'local', attrs: new Map([...entry.attrs, ['digest', digest]]) };
  });
  const { layout } = outputs;
  if (layout !== undefined) folders.set('export', resolve(layout));
  return {
    folders,
    // A cache that is not there yet is no cache: the first build of many.
    imports: found.filter(({ type, attrs }) => type !== 'local' || attrs.has('digest')),
    exports,
    finish(response) {
      const cache = response.get('cache.manifest');
      if (cache !== undefined) {
        for (const { folder, tag } of written) noteInLayout(folder, JSON.parse(cache) as { digest: string }, tag);
      }
      const image = response.get('containerimage.descriptor');
      if (layout === undefined || image === undefined) return;
      noteInLayout(layout, JSON.parse(Buffer.from(image, 'base64').toString()) as { digest: string }, undefined);
    },
  };
}
