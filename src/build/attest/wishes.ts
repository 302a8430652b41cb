import { invalid } from '../../base/errors.ts';

/** Provenance that a build is to have. */
export interface ProvenanceWish {
  /** Of SLSA's predicate; v1 where nobody says. */
  readonly version?: 'v1' | 'v0.2';
  readonly mode: 'min' | 'max';
  /** Nobody asked for it: clients want it of images by default. */
  readonly isDefault: boolean;
  readonly builderId: string;
  readonly reproducible: boolean;
}

/** A list of what the result consists of. */
export interface SbomWish {
  /** An image that makes it. */
  readonly generator: string;
  /** Further parameters, for the generator alone. */
  readonly parameters: ReadonlyMap<string, string>;
}

export interface AttestWishes {
  readonly provenance: ProvenanceWish | undefined;
  readonly sbom: SbomWish | undefined;
}

const usualGenerator = 'docker/buildkit-syft-scanner:stable-1';
const trueWords = ['', '1', 't', 'true', 'TRUE', 'True'];

/** `attest:provenance` and `attest:sbom` among a build's attributes: `key=value,...`. @throws EngineError `invalid` */
export function attestWishes(attributes: ReadonlyMap<string, string>): AttestWishes {
  let provenance: ProvenanceWish | undefined;
  let sbom: SbomWish | undefined;
  for (const [name, value] of attributes) {
    if (!name.startsWith('attest:')) continue;
    const type = name.slice('attest:'.length);
    const options = optionsOf(value);
    if (options.has('disabled') && trueWords.includes(options.get('disabled') ?? '')) continue;
    if (type === 'provenance') provenance = provenanceWish(options);
    else if (type === 'sbom') sbom = sbomWish(options);
    else throw invalid(`unknown attestation type ${JSON.stringify(type)}: expected provenance or sbom`);
  }
  return { provenance, sbom };
}

const optionsOf = (text: string): Map<string, string> =>
  new Map(
    text
      .split(',')
      .filter((field) => field !== '')
      .map((field) => {
        const [key = '', ...value] = field.split('=');
        return [key, value.join('=')];
      }),
  );

function provenanceWish(options: ReadonlyMap<string, string>): ProvenanceWish {
  const mode = options.get('mode') ?? 'max';
  const version = options.get('version') ?? 'v1';
  if (version !== 'v1' && version !== 'v0.2') {
    throw invalid(`unsupported provenance version ${JSON.stringify(version)}: expected v1 or v0.2`);
  }
  if (mode !== 'min' && mode !== 'max' && mode !== 'full')
    throw invalid(`invalid provenance mode ${JSON.stringify(mode)}: expected min or max`);
  return {
    version,
    mode: mode === 'min' ? 'min' : 'max',
    isDefault: isTrue(options, 'inline-only'),
    builderId: options.get('builder-id') ?? '',
    reproducible: isTrue(options, 'reproducible'),
  };
}

const isTrue = (options: ReadonlyMap<string, string>, name: string): boolean =>
  options.has(name) && trueWords.includes(options.get(name) ?? '');

function sbomWish(options: ReadonlyMap<string, string>): SbomWish {
  const parameters = new Map(options);
  for (const own of ['generator', 'type', 'disabled']) parameters.delete(own);
  return { generator: options.get('generator') || usualGenerator, parameters };
}
