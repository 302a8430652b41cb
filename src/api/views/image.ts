import { zeroTime } from '../../base/clock.ts';
import type { ImageInspect, ImageSummary } from '../../spec/engine/image.ts';
import type { ImageRunConfig } from '../../spec/oci/image.ts';

/** A list entry as clients of API 1.`minor` know it. */
export function imageSummaryView(summary: ImageSummary, minor: number): unknown {
  const { Descriptor: descriptor, Manifests: manifests, Containers: containers, ...view } = summary;
  const isNameless = minor < 43 && summary.RepoTags.length === 0 && summary.RepoDigests.length === 0;
  return {
    ...view,
    ...(isNameless ? { RepoTags: ['<none>:<none>'], RepoDigests: ['<none>@<none>'] } : {}),
    // Counted since 1.51.
    Containers: minor < 51 ? -1 : containers,
    ...(minor < 44 ? { VirtualSize: summary.Size } : {}),
    ...(minor >= 48 && descriptor !== undefined ? { Descriptor: descriptor } : {}),
    ...(minor >= 47 && manifests !== undefined ? { Manifests: manifests } : {}),
  };
}

/** An inspected image as clients of API 1.`minor` know it: which fields there are, and whether empty ones are. */
export function imageInspectView(inspect: ImageInspect, minor: number): unknown {
  const { Parent: parent, GraphDriver, Descriptor, Manifests, Identity, Config, Created, ...rest } = inspect;
  const { Comment, Author, ...view } = rest;
  const created = Created ?? (minor < 44 ? zeroTime : undefined);
  const isOld = minor < 52;
  return {
    ...view,
    ...(isOld || parent !== '' ? { Parent: parent } : {}),
    ...(isOld || Comment !== '' ? { Comment } : {}),
    ...(isOld || Author !== '' ? { Author } : {}),
    ...(created === undefined ? {} : { Created: created }),
    Config: runConfigView(Config, minor),
    // What the builders of Docker up to 1.12 wrote; nobody has set it since.
    ...(isOld ? { DockerVersion: '', GraphDriver } : {}),
    ...(minor < 44 ? { VirtualSize: inspect.Size } : {}),
    ...(minor < 45 ? { Container: '', ContainerConfig: null } : {}),
    ...(minor >= 48 && Descriptor !== undefined ? { Descriptor } : {}),
    ...(minor >= 48 && Manifests !== undefined ? { Manifests } : {}),
    ...(minor >= 53 && Identity !== undefined ? { Identity } : {}),
  };
}

/** There up to 1.51, set or not. */
const oldFields = {
  User: '',
  Env: null,
  Entrypoint: null,
  Cmd: null,
  Volumes: null,
  WorkingDir: '',
  Labels: null,
  OnBuild: null,
};

/** There up to 1.49, though they say nothing about an image. */
const oldestFields = {
  Hostname: '',
  Domainname: '',
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Image: '',
};

const isEmpty = (value: unknown): boolean =>
  value === '' || value === false || (typeof value === 'object' && Object.keys(value ?? {}).length === 0);

function runConfigView(config: ImageRunConfig, minor: number): unknown {
  const said = Object.entries(config).filter(([, value]) => !isEmpty(value));
  return {
    ...(minor < 50 ? oldestFields : {}),
    ...(minor < 52 ? oldFields : {}),
    ...Object.fromEntries(said),
  };
}
