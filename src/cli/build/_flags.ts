import { type GraphFormat, graphFormats } from '../../build/graph/formats.ts';
import { type FlagType, listOf, flag, types, parsedBy } from '../flags/types.ts';
import { checkExtraHost, ulimitType } from '../container/validate.ts';

const modes = ['auto', 'none', 'plain', 'quiet', 'rawjson', 'tty'] as const;
export type ProgressMode = (typeof modes)[number];

const progressType = parsedBy<ProgressMode>('string', 'auto', (text) => {
  const found = modes.find((mode) => mode === text);
  if (found === undefined) throw new Error(`invalid progress mode ${text}: expected ${modes.join(', ')}`);
  return found;
});

/** What a build would do is shown so; undefined when it is to be done. */
const graphType: FlagType<GraphFormat | undefined> = {
  name: 'string',
  initial: undefined,
  bare: 'text',
  parse(text) {
    const found = graphFormats.find((format) => format === text);
    if (found === undefined) throw new Error(`expected ${graphFormats.join(', ')}`);
    return found;
  },
};

const array = (name = 'stringArray') => listOf(undefined, name);
const hidden = { hidden: true } as const;

/** The flags of `docker buildx build`, and what Gantry has besides. */
export const buildFlags = {
  'add-host': flag(listOf(checkExtraHost, 'strings'), 'Line for /etc/hosts of RUN: HOST:IP'),
  allow: flag(array(), 'Allow what needs leave: network.host, security.insecure, device'),
  annotation: flag(array(), 'Add an annotation to the image: [TYPE:]KEY=VALUE'),
  attest: flag(array(), 'Add an attestation: type=sbom|provenance[,KEY=VALUE...]'),
  'build-arg': flag(array(), 'Set a build argument: NAME=VALUE, or NAME to take it from the environment'),
  'build-context': flag(array(), 'One more context: NAME=PATH, or NAME=ADDRESS'),
  'build-volume': flag(array(), 'Volume that every RUN sees: NAME:/PATH[:ro]'),
  builder: flag(types.string, 'Accepted for compatibility: the engine builds'),
  'cache-from': flag(array(), 'Where to take cached steps from: NAME, or type=TYPE,...'),
  'cache-to': flag(array(), 'Where to put cached steps: NAME, or type=TYPE,...'),
  call: flag(types.string, 'What is asked: build, check, outline or targets[,format=json]', {
    initial: 'build',
    shown: '"build"',
  }),
  'cgroup-parent': flag(types.string, 'Parent cgroup of RUN'),
  check: flag(types.bool, 'Check the Dockerfile, without building: --call=check'),
  debug: flag(types.bool, 'Say more about what is found and goes wrong', { short: 'D' }),
  file: flag(types.string, 'Name of the Dockerfile (default "PATH/Dockerfile")', { short: 'f' }),
  iidfile: flag(types.string, "Write the image's ID to this file"),
  jobs: flag(types.int, 'Steps that run at the same time'),
  label: flag(array(), 'Set a label: NAME=VALUE'),
  load: flag(types.bool, 'The result becomes an image of the engine: --output=type=docker'),
  lock: flag(types.string, 'File that says which images, files and commits the sources are; what is missing is added'),
  'lock-update': flag(types.bool, 'Take what the sources are now, and write the lock anew'),
  locked: flag(types.bool, 'Fail when the lock does not name a source'),
  'metadata-file': flag(types.string, 'Write what is known of the result to this file'),
  'nested-ignore': flag(types.bool, 'A .dockerignore in a folder of a context counts for what is in that folder'),
  network: flag(types.string, 'Network of RUN: default, none or host', { initial: 'default', shown: '"default"' }),
  'no-cache': flag(types.bool, 'Do every step again'),
  'no-cache-filter': flag(array(), 'Do the steps of these stages again'),
  output: flag(array(), 'What becomes of the result: PATH, -, or type=TYPE,...', { short: 'o' }),
  platform: flag(array(), 'Platform to build for: os[/arch[/variant]]'),
  'print-graph': flag(graphType, 'Print what would be done, as text, json or dot, without doing it'),
  progress: flag(progressType, 'How progress is shown: auto, none, plain, quiet, rawjson or tty', { shown: '"auto"' }),
  provenance: flag(types.string, 'Say how the result was made: --attest=type=provenance'),
  pull: flag(types.bool, 'Ask registries for newer base images'),
  push: flag(types.bool, 'Push the result: --output=type=registry'),
  quiet: flag(types.bool, "Print the image's ID only", { short: 'q' }),
  sbom: flag(types.string, 'Say what the result contains: --attest=type=sbom'),
  secret: flag(array(), 'Secret for RUN: id=ID[,src=PATH|,env=NAME]'),
  'shm-size': flag(types.bytes, 'Size of /dev/shm in RUN'),
  'show-context': flag(types.bool, 'Show what would travel to the engine and what stays here, without building'),
  squash: flag(types.bool, 'One layer for all that the build makes'),
  ssh: flag(array(), 'Agent for RUN: default|ID[=SOCKET|KEY[,KEY...]]'),
  tag: flag(array(), 'Name of the image: [HOST/]NAME[:TAG]', { short: 't' }),
  target: flag(types.string, 'Build this stage'),
  ulimit: flag(ulimitType, 'Resource limit of RUN: NAME=SOFT[:HARD]', { shown: '[]' }),
  // What docker takes without a word, because BuildKit has no use for it.
  compress: flag(types.bool, 'Accepted for compatibility', hidden),
  'cpu-period': flag(types.string, 'Accepted for compatibility', hidden),
  'cpu-quota': flag(types.string, 'Accepted for compatibility', hidden),
  'cpu-shares': flag(types.string, 'Accepted for compatibility', { ...hidden, short: 'c' }),
  'cpuset-cpus': flag(types.string, 'Accepted for compatibility', hidden),
  'cpuset-mems': flag(types.string, 'Accepted for compatibility', hidden),
  'force-rm': flag(types.bool, 'Accepted for compatibility', hidden),
  isolation: flag(types.string, 'Accepted for compatibility', hidden),
  memory: flag(types.string, 'Accepted for compatibility', { ...hidden, short: 'm' }),
  'memory-swap': flag(types.string, 'Accepted for compatibility', hidden),
  rm: flag(types.bool, 'Accepted for compatibility', { ...hidden, initial: true }),
  'security-opt': flag(array(), 'Accepted for compatibility', hidden),
} as const;

/** Of these something is expected that does not happen: that is said. */
export const limitFlags: readonly string[] = [
  'cpu-period',
  'cpu-quota',
  'cpu-shares',
  'cpuset-cpus',
  'cpuset-mems',
  'isolation',
  'memory',
  'memory-swap',
  'security-opt',
];
