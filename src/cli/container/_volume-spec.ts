import { CliError } from '../errors.ts';
import { absolutePath } from './_mount-spec.ts';

/** What `-v` texts come to: binds for the engine, and targets of anonymous volumes. */
export interface VolumeSpecs {
  readonly binds: string[];
  readonly anonymous: string[];
}

/** Sorts `-v [SOURCE:]TARGET[:OPTIONS]` texts; a relative source becomes absolute. @throws CliError `invalid spec: ...` */
export function readVolumes(texts: readonly string[]): VolumeSpecs {
  const binds: string[] = [];
  const anonymous: string[] = [];
  for (const text of new Set(texts)) {
    const { source } = parseVolume(text);
    if (source === undefined) anonymous.push(text);
    else if (source.startsWith('.')) binds.push(absolutePath(source) + text.slice(source.length));
    else binds.push(text);
  }
  return { binds, anonymous };
}

function parseVolume(text: string): { source: string | undefined } {
  if (text === '') throw new CliError('invalid empty volume spec');
  if (text.length <= 2) return { source: undefined };
  // A single letter before a colon is taken for a drive of another system.
  const parts: string[] = [];
  for (const part of text.split(':')) {
    const last = parts.at(-1) ?? '';
    if (/^[a-zA-Z]$/.test(last)) parts[parts.length - 1] = `${last}:${part}`;
    else parts.push(part);
  }
  const fault = (what: string) => new CliError(`invalid spec: ${text}: ${what}`);
  if (parts.includes('')) throw fault('empty section between colons');
  if (parts.length > 3) throw fault('too many colons');
  return { source: parts.length === 1 ? undefined : parts[0] };
}
