import { goJson, isPlainObject, Struct } from '../../base/text/template/values.ts';

/** How JSON of a registry looks to templates: Go's names for the fields of its types. */
export type Shape = 'any' | { readonly list: Shape } | { readonly map: Shape } | StructShape;
export interface StructShape {
  readonly type: string;
  /** Go's name, the name in JSON, and what the field is; in the order of their JSON. Other fields are left out. */
  readonly fields: readonly (readonly [go: string, json: string, shape?: Shape])[];
}

const list = (shape: Shape): Shape => ({ list: shape });
const fields = (text: string): [string, string][] => text.split(' ').map((word) => word.split(':') as [string, string]);

const platform: StructShape = {
  type: 'v1.Platform',
  fields: fields('Architecture:architecture OS:os OSVersion:os.version OSFeatures:os.features Variant:variant'),
};

/** A descriptor (OCI image-spec, descriptor.md). */
export const descriptorShape: StructShape = {
  type: 'v1.Descriptor',
  fields: [
    ...fields('MediaType:mediaType Digest:digest Size:size URLs:urls Annotations:annotations Data:data'),
    ['Platform', 'platform', platform],
    ['ArtifactType', 'artifactType'],
  ],
};

/** An index, with its own digest and size. */
export const indexShape: StructShape = {
  type: 'imagetools.Index',
  fields: [
    ...fields('SchemaVersion:schemaVersion MediaType:mediaType Digest:digest Size:size'),
    ['Manifests', 'manifests', list(descriptorShape)],
    ['Annotations', 'annotations'],
  ],
};

/** An image configuration (OCI image-spec, config.md). */
export const imageShape: StructShape = {
  type: 'v1.Image',
  fields: [
    ...fields('Created:created Author:author Architecture:architecture OS:os OSVersion:os.version'),
    ...fields('OSFeatures:os.features Variant:variant'),
    [
      'Config',
      'config',
      {
        type: 'v1.ImageConfig',
        fields: fields(
          'User:User ExposedPorts:ExposedPorts Env:Env Entrypoint:Entrypoint Cmd:Cmd Volumes:Volumes WorkingDir:WorkingDir Labels:Labels StopSignal:StopSignal ArgsEscaped:ArgsEscaped',
        ),
      },
    ],
    ['RootFS', 'rootfs', { type: 'v1.RootFS', fields: fields('Type:type DiffIDs:diff_ids') }],
    [
      'History',
      'history',
      list({
        type: 'v1.History',
        fields: fields('Created:created CreatedBy:created_by Author:author Comment:comment EmptyLayer:empty_layer'),
      }),
    ],
  ],
};

/** JSON as a template sees it. Structs print as JSON with what is there, in the order of their fields. */
export function goValue(value: unknown, shape: Shape): unknown {
  if (shape === 'any' || value === undefined || value === null) return value;
  if ('list' in shape) return Array.isArray(value) ? value.map((item) => goValue(item, shape.list)) : value;
  if (!isPlainObject(value)) return value;
  if ('map' in shape) {
    return new Map(Object.entries(value).map(([key, item]) => [key, goValue(item, shape.map)]));
  }
  const known = new Map<string, unknown>();
  const shown: [string, unknown][] = [];
  for (const [go, json, inner = 'any'] of shape.fields) {
    const given = goValue(value[json], inner);
    known.set(go, given ?? '');
    if (given !== undefined && given !== null) shown.push([json, given]);
  }
  const text = () => `{${shown.map(([name, item]) => `${JSON.stringify(name)}:${goJson(item)}`).join(',')}}`;
  return new Struct(shape.type, known, text);
}
