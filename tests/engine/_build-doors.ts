import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { TestEngine } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { pythonWith } from '../support/python.ts';
import { run, type RunResult } from '../support/run.ts';
import { emptyFolder } from './_build-folder.ts';

/** What a client is asked to build. */
export interface Wish {
  readonly context: string;
  readonly tag: string;
  readonly target?: string | undefined;
  readonly args?: Readonly<Record<string, string>> | undefined;
  /** Values by id. */
  readonly secrets?: Readonly<Record<string, string>> | undefined;
}

type Door = (engine: TestEngine, wish: Wish, t: TestContext) => Promise<RunResult>;

const timeout = 300_000;

/** The flags that `docker build` and `gantry build` have in common. */
async function flagsOf({ tag, target, args = {}, secrets = {} }: Wish, t: TestContext): Promise<string[]> {
  const folder = emptyFolder(t);
  const secretFlags = Object.entries(secrets).map(async ([id, value]) => {
    await writeFile(join(folder, id), value);
    return `--secret=id=${id},src=${join(folder, id)}`;
  });
  return [
    `--tag=${tag}`,
    ...(target === undefined ? [] : [`--target=${target}`]),
    ...Object.entries(args).map(([name, value]) => `--build-arg=${name}=${value}`),
    ...(await Promise.all(secretFlags)),
  ];
}

const secretVariable = (id: string): string => `SECRET_${id}`;

const secretEnvironment = (secrets: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(secrets).map(([id, value]) => [secretVariable(id), value]));

const dockerPy = `
import docker, json, sys
path, options = sys.argv[1:]
print(docker.from_env().images.build(path=path, rm=True, **json.loads(options))[0].id)
`;

/** The ways to ask an engine for a build: each resolves whatever the exit code is. */
export const doors = {
  buildx: async (engine, wish, t) => {
    const flags = ['--progress=plain', '--provenance=false', ...(await flagsOf(wish, t))];
    return engine.docker(['buildx', 'build', ...flags, wish.context], { timeout });
  },
  classic: async (engine, wish, t) =>
    engine.docker(['build', ...(await flagsOf(wish, t)), wish.context], { timeout, env: { DOCKER_BUILDKIT: '0' } }),
  bake: async (engine, { context, tag, target, args, secrets }, t) => {
    const secret = Object.keys(secrets ?? {}).map((id) => `id=${id},env=${secretVariable(id)}`);
    const one = { context, target, args, secret, tags: [tag], attest: ['type=provenance,disabled=true'] };
    const file = join(emptyFolder(t), 'docker-bake.json');
    await writeFile(file, JSON.stringify({ target: { default: one } }));
    const command = ['buildx', 'bake', '--progress=plain', '--allow=fs.read=*', `--file=${file}`];
    return engine.docker(command, { timeout, env: secretEnvironment(secrets) });
  },
  compose: async (engine, { context, tag, target, args, secrets = {} }, t) => {
    const build = { context, target, args, secrets: Object.keys(secrets), provenance: false };
    const folder = emptyFolder(t);
    const declared = Object.keys(secrets).map((id) => [id, { environment: secretVariable(id) }] as const);
    const file = { name: 'apps', services: { app: { image: tag, build } }, secrets: Object.fromEntries(declared) };
    await writeFile(join(folder, 'compose.yaml'), JSON.stringify(file));
    const command = ['compose', '--project-directory', folder, '--progress=plain', 'build'];
    return engine.docker(command, { timeout, env: secretEnvironment(secrets) });
  },
  'docker-py': async (engine, { context, tag, target, args }) => {
    const python = await pythonWith(join(import.meta.dirname, '../sdk/requirements.txt'));
    const options = JSON.stringify({ tag, target, buildargs: args });
    return run(python, ['-c', dockerPy, context, options], { timeout, env: engine.clientEnv() });
  },
  gantry: async (engine, wish, t) => {
    const [program, ...before] = gantryProgram;
    const flags = ['--progress=plain', '--provenance=false', ...(await flagsOf(wish, t))];
    return run(program, [...before, 'build', ...flags, wish.context], { timeout, env: engine.clientEnv() });
  },
} as const satisfies Record<string, Door>;

export type DoorName = keyof typeof doors;
