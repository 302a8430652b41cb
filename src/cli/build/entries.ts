import type { Entry } from '../commands.ts';

export const build: Entry = {
  summary: 'Build an image from a Dockerfile',
  load: async () => (await import('./build.ts')).build,
};
export const checkBuild: Entry = {
  summary: 'Check a Dockerfile, without building anything',
  load: async () => (await import('./check.ts')).check,
};
const pruneBuilder: Entry = {
  summary: 'Remove what builds keep to be faster the next time',
  load: async () => (await import('./prune.ts')).prune,
};

export const builder: Readonly<Record<string, Entry>> = { build, prune: pruneBuilder };
/** As the plugin of docker calls them. */
export const buildx: Readonly<Record<string, Entry>> = { build: { ...build, alsoNamed: ['b'] }, prune: pruneBuilder };
