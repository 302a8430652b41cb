import { mediaTypes } from '../spec/oci/image.ts';
import { describe, json, makeImage, makeIndex, sha256 } from './_fixture.ts';

/** An index with two platforms, an attestation of the first one, and a manifest that nobody knows. */
export async function attestedIndex() {
  const amd = await makeImage(['base', 'amd'], { labels: { which: 'amd' } });
  const arm = await makeImage(['base', 'arm'], { architecture: 'arm64', labels: { which: 'arm' } });
  const statement = json({
    _type: 'https://in-toto.io/Statement/v0.1',
    predicateType: 'https://slsa.dev/provenance/v1',
  });
  const config = json({
    architecture: 'unknown',
    os: 'unknown',
    rootfs: { type: 'layers', diff_ids: [sha256(statement)] },
  });
  const attestation = json({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: describe(mediaTypes.ociConfig, config),
    layers: [
      {
        ...describe('application/vnd.in-toto+json', statement),
        annotations: { 'in-toto.io/predicate-type': 'https://slsa.dev/provenance/v1' },
      },
    ],
  });
  const { bytes: plain } = makeIndex([
    { image: amd, architecture: 'amd64' },
    { image: arm, architecture: 'arm64' },
  ]);
  const { manifests } = JSON.parse(new TextDecoder().decode(plain)) as { manifests: object[] };
  const bytes = json({
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: [
      ...manifests,
      {
        ...describe(mediaTypes.ociManifest, attestation),
        platform: { os: 'unknown', architecture: 'unknown' },
        annotations: {
          'vnd.docker.reference.type': 'attestation-manifest',
          'vnd.docker.reference.digest': amd.target.digest,
        },
      },
    ],
  });
  return { amd, arm, attestation, config, statement, bytes, target: describe(mediaTypes.ociIndex, bytes) };
}
