import type { Platform } from '../../spec/oci/image.ts';
import { formatPlatform } from '../../spec/oci/platform.ts';
import { familiarReference, formatReference, parseReference, withDefaultTag } from '../../spec/reference/reference.ts';
import type { BuildOptions } from './options.ts';

/** A context that was given by name, in place of a stage or an image. */
export interface ContextSource {
  readonly kind: 'context';
  readonly name: string;
  /** As it was given. */
  readonly locator: string;
}

const reserved: ReadonlySet<string> = new Set(['scratch', 'context']);

/** The full name of an image, with its tag. @throws EngineError `invalid` */
export const imageReference = (name: string): string => formatReference(withDefaultTag(parseReference(name)));

/**
 * The context that was given for a stage, or for an image by any of its names; undefined when there is none. One for the
 * platform alone (`NAME::linux/arm64`) counts first. @param own the platform of the stage, if it has one
 */
export function contextFor(name: string, options: BuildOptions, own?: Platform): ContextSource | undefined {
  const { contexts, buildPlatform, targetPlatform = buildPlatform } = options;
  if (contexts.size === 0 || reserved.has(name.toLowerCase())) return undefined;
  const all = [name, ...spellings(name)];
  const platform = formatPlatform(own ?? targetPlatform);
  for (const spelling of [...all.map((one) => `${one}::${platform}`), ...all]) {
    const locator = contexts.get(spelling);
    if (locator !== undefined) return { kind: 'context', name: spelling, locator };
  }
  return undefined;
}

/** All ways to write the name of an image; none for what is no such name. */
function spellings(name: string): string[] {
  try {
    const reference = parseReference(name);
    const tagged = withDefaultTag(reference);
    const all = [reference, tagged].flatMap((one) => [familiarReference(one), formatReference(one)]);
    return [...all, ...all.map((one) => one.replace(/:latest$/, ''))];
  } catch {
    return [];
  }
}
