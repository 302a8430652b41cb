import { rmSync, writeFileSync, renameSync } from 'node:fs';
import { CliError } from '../errors.ts';
import { messageOf } from '../../base/errors.ts';
import { plainWarning } from './progress/raw-json.ts';
import type { Warning } from './progress/events.ts';

/**
 * The id of the image that was made; empty when none was. Engines whose images are found by their manifests tell of the
 * configuration, too, which is the id in the others alone.
 */
export const imageIdOf = (response: ReadonlyMap<string, string>): string =>
  response.get('containerimage.digest') ?? response.get('containerimage.config.digest') ?? '';

/** A file of an earlier build must not be taken for one of this, should this fail. */
export function removeResult(path: string): void {
  if (path !== '') rmSync(path, { force: true });
}

/** @throws CliError naming the file */
export function writeResult(path: string, text: string): void {
  try {
    writeFileSync(`${path}.tmp-${process.pid}`, text);
    renameSync(`${path}.tmp-${process.pid}`, path);
  } catch (error) {
    throw new CliError(`failed to write ${path}: ${messageOf(error)}`);
  }
}

/** What `--metadata-file` has: what exporters tell, JSON among it as JSON. */
export function metadataText(
  response: ReadonlyMap<string, string>,
  more: Readonly<Record<string, string>>,
  warnings: readonly Warning[],
): string {
  const entries: [string, unknown][] = Object.entries(more);
  for (const [key, value] of response) entries.push([key, decoded(value)]);
  if (warnings.length > 0) entries.push(['buildx.build.warnings', warnings.map(plainWarning)]);
  return JSON.stringify(Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1))), undefined, 2);
}

/** Some values are JSON in base64. */
function decoded(value: string): unknown {
  if (!/^[A-Za-z0-9+/]{4,}={0,2}$/.test(value)) return value;
  try {
    const parsed: unknown = JSON.parse(Buffer.from(value, 'base64').toString('utf8'));
    return typeof parsed === 'object' && parsed !== null ? parsed : value;
  } catch {
    return value;
  }
}
