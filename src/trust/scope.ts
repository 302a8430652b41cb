import { invalid } from '../base/errors.ts';
import type { ImageOrigin } from '../spec/contract/trust.ts';
import { defaultDomain, formatReference, parseReference, type Reference } from '../spec/reference/reference.ts';
import { scanDomain, scanPath } from '../spec/reference/scan.ts';

/**
 * The scopes that an origin is looked up by, the most specific first (containers-policy.json(5)): the image with its
 * tag or digest, its repository, what that lies in, the registry, then `*.` with ever less of the registry's name. An
 * empty one is the transport as a whole.
 */
export function scopesOf(origin: ImageOrigin): string[] {
  return origin.transport === 'docker' ? [...scopesOfReference(origin.reference), ''] : [''];
}

function scopesOfReference(reference: Reference): string[] {
  const scopes = [formatReference(reference)];
  let name = `${reference.domain}/${reference.path}`;
  for (; name !== reference.domain; name = name.slice(0, name.lastIndexOf('/'))) scopes.push(name);
  scopes.push(reference.domain);
  let host = withoutPort(reference.domain);
  for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.')) {
    host = host.slice(dot + 1);
    scopes.push(`*.${host}`);
  }
  return scopes;
}

function withoutPort(domain: string): string {
  const colon = domain.lastIndexOf(':');
  return colon < 0 || domain.endsWith(']') ? domain : domain.slice(0, colon);
}

/** Refuses a scope of the transport `docker` that no image could ever have. @throws EngineError `invalid` */
export function checkScope(scope: string, what: string): void {
  const bad = (why: string) => invalid(`${what}: ${why}`);
  if (scope.startsWith('*.')) {
    if (scanDomain(scope, 2) !== scope.length || scope.includes(':')) {
      throw bad('a wildcard is "*." and the end of a host name, without a port');
    }
    return;
  }
  if (isPrefix(scope)) return checkHost(scope, bad);
  let reference: Reference;
  try {
    reference = parseReference(scope);
  } catch (error) {
    throw invalid(`${what}: expected a registry, a namespace, a repository, or an image with tag or digest`, error);
  }
  const full = formatReference(reference);
  if (full !== scope) throw bad(`it matches no image: names are compared in full, as ${full}`);
}

/** `host[:port]`, a namespace in it or a repository: what has no tag and no digest. */
export function isPrefix(text: string): boolean {
  const end = scanDomain(text, 0);
  if (end === text.length) return true;
  return end > 0 && text[end] === '/' && scanPath(text, end + 1) === text.length;
}

/** The first word of a prefix must be one that names a registry, and not one that Docker's default goes before. */
function checkHost(scope: string, bad: (why: string) => Error): void {
  const slash = scope.indexOf('/');
  const host = slash < 0 ? scope : scope.slice(0, slash);
  const isHost = host === 'localhost' || host.includes('.') || host.includes(':');
  if (!isHost) {
    const full = slash < 0 ? `${defaultDomain}/library/${scope}` : `${defaultDomain}/${scope}`;
    throw bad(`${JSON.stringify(host)} is no registry: names are compared in full, as ${full}`);
  }
  if (host === `index.${defaultDomain}`) throw bad(`it matches no image: the registry is called ${defaultDomain} here`);
}
