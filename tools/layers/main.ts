/** `node tools/layers/main.ts [FOLDER]`: checks the layers of the repository in FOLDER (default: this one). */
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { sourceFiles } from '../source-files.ts';
import { checkLayers, type SourceFile } from './check.ts';

const root = process.argv[2] ?? join(import.meta.dirname, '../..');

function readSources(): readonly SourceFile[] {
  return ['src', 'tests', 'tools']
    .map((folder) => join(root, folder))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => sourceFiles(folder, '.ts'))
    .map((path) => ({ path: relative(root, path), text: readFileSync(path, 'utf8') }));
}

function shippedPackages(): ReadonlySet<string> {
  const file = join(root, 'package.json');
  if (!existsSync(file)) return new Set();
  const parsed = JSON.parse(readFileSync(file, 'utf8')) as { dependencies?: Record<string, string> };
  return new Set(Object.keys(parsed.dependencies ?? {}));
}

const files = readSources();
const violations = checkLayers(files, shippedPackages());
for (const { path, line, message } of violations) console.error(`${path}:${line}: ${message}`);
if (files.length === 0) console.error(`layers: no source files under ${root}`);
else console.log(`layers: ${files.length} files, ${violations.length} violations`);
process.exitCode = files.length === 0 || violations.length > 0 ? 1 : 0;
