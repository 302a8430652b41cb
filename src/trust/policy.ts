import { invalid, messageOf } from '../base/errors.ts';
import { type JsonObject, objectOf } from '../spec/oci/json.ts';
import { formatReference, parseReference, type Reference } from '../spec/reference/reference.ts';
import { refuseRepeatedKeys } from './_unique-keys.ts';
import type { SignedIdentity } from './identity.ts';
import { parsePublicKey, type TrustKey } from './key.ts';
import { checkScope, isPrefix } from './scope.ts';

/** One thing that an image must satisfy. */
export type Requirement =
  | { readonly type: 'insecureAcceptAnything' }
  | { readonly type: 'reject' }
  | { readonly type: 'sigstoreSigned'; readonly keys: readonly TrustKey[]; readonly identity: SignedIdentity };

/** All of them count. */
export type Requirements = readonly Requirement[];

export interface PolicyTable {
  readonly default: Requirements;
  /** By transport, then by scope. */
  readonly transports: ReadonlyMap<string, ReadonlyMap<string, Requirements>>;
}

/** Reads a key's file, an absolute path. */
export type ReadKeyFile = (path: string) => Promise<string>;

/** Transports that images come by here; `local` is what is made here, the others are containers-transports(5). */
const usedTransports: readonly string[] = ['docker', 'docker-archive', 'oci-archive', 'tarball', 'local'];
/** Transports of other programs: a file may be shared with them. */
const otherTransports: readonly string[] = [
  'atomic',
  'containers-storage',
  'dir',
  'docker-daemon',
  'oci',
  'ostree',
  'sif',
];

const mostKeys = 64;

/**
 * Reads a policy in the format of containers-policy.json(5): what is not understood is refused, for a requirement that
 * is passed over would let images in. @throws EngineError `invalid` naming the place in the file
 */
export async function parsePolicy(text: string, readKey: ReadKeyFile): Promise<PolicyTable> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`it is not valid JSON: ${messageOf(error)}`, error);
  }
  refuseRepeatedKeys(text, 'the policy');
  const json = objectOf(value, 'the policy');
  only(json, 'the policy', ['default', 'transports']);
  const transports = new Map<string, Map<string, Requirements>>();
  for (const [name, scopes] of entriesOf(json, 'transports')) {
    const at = `transports.${name}`;
    if (!usedTransports.includes(name) && !otherTransports.includes(name)) {
      throw invalid(`${at}: unknown transport: expected one of ${[...usedTransports, ...otherTransports].join(', ')}`);
    }
    const table = new Map<string, Requirements>();
    for (const [scope, list] of Object.entries(objectOf(scopes, at))) {
      const what = `${at}[${JSON.stringify(scope)}]`;
      if (usedTransports.includes(name)) checkScopeOf(name, scope, what);
      table.set(scope, await requirementsOf(list, what, readKey));
    }
    transports.set(name, table);
  }
  return { default: await requirementsOf(json['default'], 'default', readKey), transports };
}

function entriesOf(json: JsonObject, key: string): [string, unknown][] {
  return json[key] === undefined ? [] : Object.entries(objectOf(json[key], key));
}

function only(json: JsonObject, what: string, known: readonly string[]): void {
  for (const key of Object.keys(json)) {
    if (!known.includes(key)) {
      throw invalid(`${what}: unknown key ${JSON.stringify(key.slice(0, 100))}: expected ${known.join(', ')}`);
    }
  }
}

function checkScopeOf(transport: string, scope: string, what: string): void {
  if (scope === '') return;
  if (transport === 'docker') return checkScope(scope, what);
  throw invalid(`${what}: images that come by ${transport} have no name here: the only scope is ""`);
}

async function requirementsOf(value: unknown, what: string, readKey: ReadKeyFile): Promise<Requirements> {
  if (!Array.isArray(value) || value.length === 0) throw invalid(`${what} must be a list of requirements, not empty`);
  const requirements: Requirement[] = [];
  for (const [index, entry] of value.entries()) {
    requirements.push(await requirementOf(entry, `${what}[${index}]`, readKey));
  }
  return requirements;
}

async function requirementOf(value: unknown, what: string, readKey: ReadKeyFile): Promise<Requirement> {
  const json = objectOf(value, what);
  const { type } = json;
  switch (type) {
    case 'insecureAcceptAnything':
    case 'reject':
      only(json, what, ['type']);
      return { type };
    case 'sigstoreSigned':
      return signedOf(json, what, readKey);
    case 'signedBy':
    case 'signedBaseLayer':
      throw invalid(`${what}: ${type} (GPG signatures) is not supported: only sigstoreSigned with public keys is`);
    default:
      throw invalid(
        `${what}.type: ${JSON.stringify(type)?.slice(0, 100)}: expected insecureAcceptAnything, reject or sigstoreSigned`,
      );
  }
}

const keySources = ['keyPath', 'keyPaths', 'keyData', 'keyDatas'] as const;
/** What needs authorities and logs of sigstore; to pass over it would weaken the policy. */
const keylessParts: readonly string[] = [
  'fulcio',
  'pki',
  'rekorPublicKeyPath',
  'rekorPublicKeyPaths',
  'rekorPublicKeyData',
  'rekorPublicKeyDatas',
];

async function signedOf(json: JsonObject, what: string, readKey: ReadKeyFile): Promise<Requirement> {
  const unsupported = keylessParts.find((key) => json[key] !== undefined);
  if (unsupported !== undefined) {
    throw invalid(
      `${what}.${unsupported} is not supported: only signatures by public keys are (${keySources.join(', ')})`,
    );
  }
  only(json, what, ['type', 'signedIdentity', ...keySources]);
  const [source, ...more] = keySources.filter((key) => json[key] !== undefined);
  if (source === undefined || more.length > 0)
    throw invalid(`${what}: exactly one of ${keySources.join(', ')} is needed`);
  const at = `${what}.${source}`;
  const isList = source === 'keyPaths' || source === 'keyDatas';
  const texts = isList ? stringsOf(json[source], at) : [stringOf(json[source], at)];
  const isPath = source === 'keyPath' || source === 'keyPaths';
  const keys: TrustKey[] = [];
  for (const [index, text] of texts.entries()) {
    const place = isList ? `${at}[${index}]` : at;
    keys.push(isPath ? await keyFromFile(text, place, readKey) : keyFromData(text, place));
  }
  const identity = json['signedIdentity'];
  return {
    type: 'sigstoreSigned',
    keys,
    identity:
      identity === undefined ? { type: 'matchRepoDigestOrExact' } : identityOf(identity, `${what}.signedIdentity`),
  };
}

async function keyFromFile(path: string, what: string, readKey: ReadKeyFile): Promise<TrustKey> {
  if (!path.startsWith('/')) throw invalid(`${what}: ${JSON.stringify(path.slice(0, 200))}: expected an absolute path`);
  try {
    return parsePublicKey(await readKey(path), path);
  } catch (error) {
    throw invalid(`${what}: ${path}: ${messageOf(error)}`, error);
  }
}

function keyFromData(text: string, what: string): TrustKey {
  const pem = Buffer.from(text, 'base64');
  if (pem.toString('base64') !== text) throw invalid(`${what}: expected a public key in PEM, in base64`);
  try {
    return parsePublicKey(pem.toString('latin1'), what);
  } catch (error) {
    throw invalid(`${what}: ${messageOf(error)}`, error);
  }
}

function stringOf(value: unknown, what: string): string {
  if (typeof value !== 'string' || value === '') throw invalid(`${what} must be a string that is not empty`);
  return value;
}

function stringsOf(value: unknown, what: string): string[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > mostKeys) {
    throw invalid(`${what} must be a list of 1 to ${mostKeys} strings`);
  }
  return value.map((item, index) => stringOf(item, `${what}[${index}]`));
}

function identityOf(value: unknown, what: string): SignedIdentity {
  const json = objectOf(value, what);
  const { type } = json;
  switch (type) {
    case 'matchExact':
    case 'matchRepoDigestOrExact':
    case 'matchRepository':
    case 'matchDigest':
      only(json, what, ['type']);
      return { type };
    case 'exactReference':
      only(json, what, ['type', 'dockerReference']);
      return { type, reference: exactReference(json['dockerReference'], `${what}.dockerReference`) };
    case 'exactRepository':
      only(json, what, ['type', 'dockerRepository']);
      return { type, reference: referenceOf(json['dockerRepository'], `${what}.dockerRepository`) };
    case 'remapIdentity':
      only(json, what, ['type', 'prefix', 'signedPrefix']);
      return {
        type,
        prefix: prefixOf(json['prefix'], `${what}.prefix`),
        signedPrefix: prefixOf(json['signedPrefix'], `${what}.signedPrefix`),
      };
    default:
      throw invalid(
        `${what}.type: ${JSON.stringify(type)?.slice(0, 100)}: expected matchRepoDigestOrExact, matchExact, ` +
          'matchRepository, exactReference, exactRepository, remapIdentity or matchDigest',
      );
  }
}

function referenceOf(value: unknown, what: string): Reference {
  try {
    return parseReference(stringOf(value, what));
  } catch (error) {
    throw invalid(`${what}: ${messageOf(error)}`, error);
  }
}

function exactReference(value: unknown, what: string): Reference {
  const reference = referenceOf(value, what);
  if (reference.tag !== undefined || reference.digest !== undefined) return reference;
  throw invalid(`${what}: ${formatReference(reference)} has neither tag nor digest: no signature would match it`);
}

function prefixOf(value: unknown, what: string): string {
  const prefix = stringOf(value, what);
  if (isPrefix(prefix)) return prefix;
  throw invalid(`${what}: expected a registry, a namespace or a repository, without tag and digest`);
}
