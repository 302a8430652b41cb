import { evaluate, parse } from '../../base/text/template/evaluate.ts';
import { TemplateError } from '../../base/text/template/nodes.ts';
import { goJson, Struct } from '../../base/text/template/values.ts';
import { messageOf } from '../../base/errors.ts';
import { defineCommand, exactly } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import { reformatJson } from '../format/json.ts';
import { openRegistries } from '../registry/client.ts';
import { parseName, readDocument, type RegistryDocument } from '../registry/documents.ts';
import { loadPlatforms, type RemotePlatform } from './_load.ts';
import { describe } from './_print.ts';
import { descriptorShape, goValue, imageShape, indexShape } from './_struct.ts';

export const inspectRemote = defineCommand({
  usage: '[OPTIONS] NAME',
  summary: 'Show what a registry has under a name, without pulling it',
  flags: {
    format: flag(types.string, "Go template over .Name, .Manifest, .Image, .SBOM and .Provenance; '{{json .Image}}'"),
    insecure: flag(types.bool, 'Accept plain HTTP, and certificates that nobody vouches for'),
    raw: flag(types.bool, 'Show the manifest or index byte for byte'),
  },
  args: exactly(1),
  async run({ session, flags: { format, insecure, raw }, args: [text = ''] }) {
    if (format !== '' && raw) throw new CliError('format and raw cannot be used together');
    const name = parseName(text);
    const registries = openRegistries(session, insecure);
    const root = await readDocument(registries.repository(name), name);
    if (raw) {
      // No newline is added: the digest is of these bytes.
      await session.output.bytes(1, root.bytes);
      return 0;
    }
    if (format === '' || format.startsWith('{{.Manifest}}')) {
      session.out(describe(name, root));
      return 0;
    }
    const template = orCliError(() => parse(format));
    const platforms = await loadPlatforms(registries, name, root, /\.(SBOM|Provenance)\b/.test(format));
    const functions = new Map([['json', (value: unknown) => reformatJson(escapeHtml(goJson(value)), '  ')]]);
    session.out(orCliError(() => evaluate(template, dataOf(text, root, platforms), { functions })));
    return 0;
  },
});

/** As Go's encoder does it. */
const escapeHtml = (json: string): string =>
  json.replaceAll('<', '\\u003c').replaceAll('>', '\\u003e').replaceAll('&', '\\u0026');

function orCliError<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof TemplateError) throw new CliError(messageOf(error));
    throw error;
  }
}

/** Of several platforms, everything but the manifest is a map by platform. */
function dataOf(name: string, root: RegistryDocument, platforms: readonly RemotePlatform[]): Struct {
  const of = (valueOf: (platform: RemotePlatform) => unknown): unknown => {
    const values = platforms.map((one) => [one.platform, valueOf(one)] as const);
    if (platforms.length > 1) return new Map(values.filter(([, value]) => value !== undefined));
    return values[0]?.[1] ?? {};
  };
  const fields = new Map<string, unknown>([
    ['Name', name],
    ['Manifest', manifestOf(root)],
    ['Image', of(({ config }) => goValue(config, imageShape))],
  ]);
  const json = () => {
    const shown = [...fields].map(([key, value]) => `${JSON.stringify(key.toLowerCase())}:${goJson(value)}`);
    return `{${shown.join(',')}}`;
  };
  return new Struct(
    'imagetools.tplInput',
    new Map([...fields, ['SBOM', () => of(sbomOf)], ['Provenance', () => of(provenanceOf)]]),
    json,
  );
}

function manifestOf({ descriptor, bytes, document }: RegistryDocument): unknown {
  if (document.kind === 'manifest') return goValue(descriptor, descriptorShape);
  const { digest, size, mediaType } = descriptor;
  const index = JSON.parse(Buffer.from(bytes).toString()) as object;
  return goValue({ mediaType, ...index, digest, size }, indexShape);
}

const sbomOf = ({ statements }: RemotePlatform): unknown => {
  const [first, ...more] = statements.filter(({ type }) => type === 'https://spdx.dev/Document');
  if (first === undefined) return undefined;
  const others = more.length === 0 ? {} : { AdditionalSPDXs: more.map(({ predicate }) => predicate) };
  return { SPDX: first.predicate, ...others };
};

const provenanceOf = ({ statements }: RemotePlatform): unknown => {
  const found = statements.find(({ type }) => type.startsWith('https://slsa.dev/provenance/'));
  return found === undefined ? undefined : { SLSA: found.predicate };
};
