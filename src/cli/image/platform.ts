import { messageOf } from '../../base/errors.ts';
import { hostPlatform, parsePlatform } from '../../spec/oci/platform.ts';
import { CliError } from '../errors.ts';

/**
 * `os[/arch[/variant]]`, or an architecture alone, as the JSON that the engine's `platform` parameters want; what is left
 * out is this machine's. @throws CliError
 */
export function platformJson(text: string): string {
  try {
    const { os, architecture, variant } = parsePlatform(text, hostPlatform(process.arch));
    return JSON.stringify({ architecture, os, ...(variant === undefined ? {} : { variant }) });
  } catch (error) {
    throw new CliError(messageOf(error));
  }
}
