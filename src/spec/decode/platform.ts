import { invalid } from '../../base/errors.ts';
import { decode, optional, string, struct } from './decoder.ts';
import { parseJson } from './json.ts';

const platform = struct<{ os: string; architecture: string; variant?: string }>('Platform', {
  os: string,
  architecture: string,
  variant: optional(string),
});

/**
 * The `platform` query parameter of image operations, which newer clients send as a JSON object and older ones as
 * `os[/arch[/variant]]`; the latter form is returned. Undefined when it is absent or empty.
 * @throws EngineError `invalid`.
 */
export function decodePlatform(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  if (!text.startsWith('{')) return text;
  const { os, architecture, variant } = decode(platform, parseJson(new TextEncoder().encode(text)));
  if (os === '' || architecture === '') throw invalid('invalid platform: os and architecture are required');
  return [os, architecture, ...(variant === undefined || variant === '' ? [] : [variant])].join('/');
}
