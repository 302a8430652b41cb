import type { Platform } from '../../spec/oci/image.ts';
import { formatPlatform } from '../../spec/oci/platform.ts';
import { familiarName, parseReference, withDefaultTag } from '../../spec/reference/reference.ts';

/** An image as a package URL (https://github.com/package-url/purl-spec): `pkg:docker/alpine@3?platform=linux%2Famd64`. */
export function packageUrl(name: string, platform: Platform): string {
  const parsed = parseReference(name);
  const { digest, tag } = parsed.digest === undefined ? withDefaultTag(parsed) : parsed;
  const path = familiarName(parsed).split('/').map(escaped).join('/');
  const qualifiers = [
    ...(digest === undefined ? [] : [`digest=${escaped(digest)}`]),
    `platform=${escaped(formatPlatform(platform))}`,
  ];
  return `pkg:docker/${path}${tag === undefined ? '' : `@${escaped(tag)}`}?${qualifiers.join('&')}`;
}

const escaped = (text: string): string => encodeURIComponent(text).replaceAll('%3A', ':');
