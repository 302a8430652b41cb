import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { humanSize } from '../../base/text/units.ts';
import { parseIgnoreFile } from '../../build/ignore/ignore-file.ts';
import { CliError } from '../errors.ts';
import type { Inputs } from './_inputs.ts';
import { folderFilter } from './session/send-folder.ts';
import { listFolder, pathText } from './session/folder.ts';

/** Folders and files that are listed by name. */
const mostShown = 20;

/**
 * What of the context would travel to an engine that has nothing of it: sums, what is largest, and what the ignore file
 * keeps here. A build asks for less where its Dockerfile uses less. @throws CliError for a context that is no folder
 */
export function showContext(inputs: Inputs): string {
  const folder = inputs.folders.get('context');
  if (folder === undefined || !('path' in folder)) throw new CliError('--show-context: the context is no folder');
  const ignore = ignoreFileOf(inputs, folder.path);
  const excludes = ignore === undefined ? [] : parseIgnoreFile(readFileSync(ignore, 'utf8'));
  const excluded: string[] = [];
  const filter = {
    ...folderFilter(folder.path, { includes: [], excludes, follow: [] }),
    nestedIgnore: folder.nestedIgnore,
    onExcluded: (path: string) => void excluded.push(path),
  };
  const sizes = new Map<string, { bytes: number; files: number }>();
  let files = 0;
  let bytes = 0;
  for (const { path, stat } of listFolder(folder.path, filter)) {
    if (stat.isDirectory()) continue;
    const size = stat.isFile() ? Number(stat.size) : 0;
    files++;
    bytes += size;
    const slash = path.indexOf('/');
    const top = slash < 0 ? path : path.slice(0, slash + 1);
    const sum = sizes.get(top) ?? { bytes: 0, files: 0 };
    sizes.set(top, { bytes: sum.bytes + size, files: sum.files + 1 });
  }
  const largest = [...sizes].sort(([, a], [, b]) => b.bytes - a.bytes);
  const rows = largest.map(([path, sum]) => [humanSize(sum.bytes), counted(sum.files), pathText(path)] as const);
  const stays = outermost(excluded).map(pathText);
  return [
    `Context:  ${folder.path}`,
    `Ignored:  ${ignore === undefined ? 'nothing: there is no .dockerignore' : `by ${ignore}`}`,
    `Travels:  ${counted(files)}, ${humanSize(bytes)}`,
    '',
    ...rows.slice(0, mostShown).map(([size, count, path]) => `  ${size.padStart(8)}  ${count.padStart(12)}  ${path}`),
    ...more(rows.length),
    ...(stays.length === 0 ? [] : ['', 'Stays here:', ...stays.slice(0, mostShown).map((path) => `  ${path}`)]),
    ...more(stays.length),
    '',
  ].join('\n');
}

const counted = (files: number): string => (files === 1 ? '1 file' : `${files} files`);
const more = (count: number): string[] => (count > mostShown ? [`  ... and ${count - mostShown} more`] : []);

/** What lies in a folder that stays here needs no line of its own. */
function outermost(paths: readonly string[]): string[] {
  const kept = new Set<string>();
  for (const path of paths) {
    const isInside = path.split('/').some((_part, at, parts) => at > 0 && kept.has(parts.slice(0, at).join('/')));
    if (!isInside) kept.add(path);
  }
  return [...kept];
}

function ignoreFileOf({ folders, attributes }: Inputs, context: string): string | undefined {
  const dockerfile = folders.get('dockerfile');
  const name = attributes.get('filename') ?? 'Dockerfile';
  const own = dockerfile !== undefined && 'path' in dockerfile ? [join(dockerfile.path, `${name}.dockerignore`)] : [];
  return [...own, join(context, '.dockerignore')].find((path) => existsSync(path) && statSync(path).isFile());
}
