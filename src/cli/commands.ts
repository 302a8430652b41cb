import type { Command } from './command.ts';
import { build, builder, buildx, checkBuild } from './build/entries.ts';
import { volume } from './volume/entries.ts';

/**
 * One name of the command line: a command, loaded when it is used, or a group of names; of a command that is a group, too,
 * the names in the group come before its arguments.
 */
export interface Entry {
  readonly summary: string;
  /** The section of the top-level help. */
  readonly section?: 'common' | 'management' | 'engine';
  /** Other names that help does not list. */
  readonly alsoNamed?: readonly string[];
  readonly load?: () => Promise<Command>;
  readonly group?: Readonly<Record<string, Entry>>;
}

// One line a name: what a start needs is read without loading any command.
const attach: Entry = {
  summary: "Connect the terminal to a running container's main process",
  load: async () => (await import('./container/attach.ts')).attach,
};
const commit: Entry = {
  summary: 'Make an image from what a container has changed',
  load: async () => (await import('./container/commit.ts')).commit,
};
const copy: Entry = {
  summary: 'Copy files and folders between a container and the local file system',
  load: async () => (await import('./container/copy.ts')).copy,
};
const diff: Entry = {
  summary: 'Show which files and folders a container has added, changed and deleted',
  load: async () => (await import('./container/diff.ts')).diff,
};
const exportContainer: Entry = {
  summary: "Write a container's file system as a tar archive",
  load: async () => (await import('./container/export.ts')).exportContainer,
};
const create: Entry = {
  summary: 'Make a container without starting it',
  load: async () => (await import('./container/create.ts')).create,
};
const execs: Entry = {
  summary: 'List the commands that were started in a running container',
  load: async () => (await import('./container/execs.ts')).execs,
};
const killExec: Entry = {
  summary: 'Send a signal to commands that exec started',
  load: async () => (await import('./container/kill-exec.ts')).killExec,
};
const exec: Entry = {
  summary: 'Run a command inside a running container',
  load: async () => (await import('./container/exec.ts')).exec,
};
const kill: Entry = {
  summary: 'Send a signal to running containers',
  load: async () => (await import('./container/kill.ts')).kill,
};
const logs: Entry = {
  summary: 'Show what a container has printed',
  load: async () => (await import('./container/logs.ts')).logs,
};
const list: Entry = {
  summary: 'List containers',
  alsoNamed: ['list', 'ps'],
  load: async () => (await import('./container/list.ts')).list,
};
const pause: Entry = {
  summary: 'Halt all processes of containers',
  load: async () => (await import('./container/pause.ts')).pause,
};
const port: Entry = {
  summary: 'Show which ports of a container are published where',
  load: async () => (await import('./container/port.ts')).port,
};
const rename: Entry = {
  summary: 'Give a container another name',
  load: async () => (await import('./container/rename.ts')).rename,
};
const restart: Entry = {
  summary: 'Stop containers and start them again',
  load: async () => (await import('./container/restart.ts')).restart,
};
const removeContainers: Entry = {
  summary: 'Remove containers',
  alsoNamed: ['remove'],
  load: async () => (await import('./container/remove.ts')).remove,
};
const run: Entry = {
  summary: 'Make a container from an image and run a command in it',
  load: async () => (await import('./container/run.ts')).run,
};
const start: Entry = {
  summary: 'Start stopped containers',
  load: async () => (await import('./container/start.ts')).start,
};
const stats: Entry = {
  summary: 'Show what containers use of processor, memory, network and disks',
  load: async () => (await import('./container/stats.ts')).stats,
};
const stop: Entry = {
  summary: 'Stop running containers',
  load: async () => (await import('./container/stop.ts')).stop,
};
const top: Entry = {
  summary: 'Show the processes that run in a container',
  load: async () => (await import('./container/top.ts')).top,
};
const unpause: Entry = {
  summary: 'Let the processes of paused containers run on',
  load: async () => (await import('./container/unpause.ts')).unpause,
};
const update: Entry = {
  summary: 'Change limits and restart policies of containers',
  load: async () => (await import('./container/update.ts')).update,
};
const wait: Entry = {
  summary: 'Wait until containers stop, then print their exit codes',
  load: async () => (await import('./container/wait.ts')).wait,
};
const images: Entry = {
  summary: 'List images',
  alsoNamed: ['list'],
  load: async () => (await import('./image/list.ts')).list,
};
const imageHistory: Entry = {
  summary: 'Show the steps that made an image',
  load: async () => (await import('./image/history.ts')).history,
};
const importImage: Entry = {
  summary: 'Make an image from a tar archive of a root file system',
  load: async () => (await import('./image/import.ts')).importImage,
};
const save: Entry = {
  summary: 'Write images to a tar archive',
  load: async () => (await import('./image/save.ts')).save,
};
const load: Entry = {
  summary: 'Load images from a tar archive',
  load: async () => (await import('./image/load.ts')).load,
};
const pull: Entry = {
  summary: 'Download an image from a registry',
  load: async () => (await import('./image/pull.ts')).pull,
};
const push: Entry = {
  summary: 'Upload an image to a registry',
  load: async () => (await import('./image/push.ts')).push,
};
const removeImages: Entry = {
  summary: 'Remove images',
  alsoNamed: ['remove'],
  load: async () => (await import('./image/remove.ts')).remove,
};
const tag: Entry = {
  summary: 'Give an image another name',
  load: async () => (await import('./image/tag.ts')).tag,
};
const events: Entry = {
  summary: 'Show events as they happen, or those of a time span',
  load: async () => (await import('./system/events.ts')).events,
};
const info: Entry = {
  summary: 'Show the state and the abilities of the engine',
  load: async () => (await import('./system/info.ts')).info,
};

const container: Readonly<Record<string, Entry>> = {
  attach,
  commit,
  cp: copy,
  create,
  diff,
  exec,
  export: exportContainer,
  execs,
  'kill-exec': killExec,
  inspect: {
    summary: 'Show all that is known of containers',
    load: async () => (await import('./inspect/container.ts')).inspectContainer,
  },
  kill,
  logs,
  ls: list,
  pause,
  port,
  prune: {
    summary: 'Remove all containers that do not run',
    load: async () => (await import('./container/prune.ts')).prune,
  },
  rename,
  restart,
  rm: removeContainers,
  run,
  start,
  stats,
  stop,
  top,
  unpause,
  update,
  wait,
};

const image: Readonly<Record<string, Entry>> = {
  build,
  copy: {
    summary: 'Copy images to another engine, without the layers that it has',
    load: async () => (await import('./image/copy.ts')).copyImages,
  },
  history: imageHistory,
  import: importImage,
  inspect: {
    summary: 'Show all that is known of images',
    load: async () => (await import('./inspect/image.ts')).inspectImage,
  },
  load,
  ls: images,
  mount: {
    summary: 'Mount file systems of images on the host, or list them',
    load: async () => (await import('./image/mount.ts')).mountImages,
  },
  prune: {
    summary: 'Remove images that no container uses',
    load: async () => (await import('./image/prune.ts')).prune,
  },
  pull,
  push,
  rm: removeImages,
  save,
  tag,
  unmount: {
    summary: 'Unmount file systems of images',
    alsoNamed: ['umount'],
    load: async () => (await import('./image/unmount.ts')).unmountImages,
  },
  tree: {
    summary: 'Show which layers images share, and what that saves',
    load: async () => (await import('./image/tree.ts')).tree,
  },
};

const imagetools: Readonly<Record<string, Entry>> = {
  create: {
    summary: 'Put an image together of others, in registries',
    load: async () => (await import('./imagetools/create.ts')).createRemote,
  },
  inspect: {
    summary: 'Show what a registry has under a name, without pulling it',
    load: async () => (await import('./imagetools/inspect.ts')).inspectRemote,
  },
};

const manifest: Readonly<Record<string, Entry>> = {
  annotate: {
    summary: 'Say more of a manifest in a list on this machine',
    load: async () => (await import('./manifest/annotate.ts')).annotateManifest,
  },
  create: {
    summary: 'Begin a list of manifests on this machine, to be pushed to a registry',
    load: async () => (await import('./manifest/create.ts')).createManifest,
  },
  inspect: {
    summary: 'Show a manifest or a list of them, of this machine or a registry',
    load: async () => (await import('./manifest/inspect.ts')).inspectManifest,
  },
  push: {
    summary: 'Push a list of manifests to a registry',
    load: async () => (await import('./manifest/push.ts')).pushManifest,
  },
  rm: {
    summary: 'Remove lists of manifests from this machine',
    load: async () => (await import('./manifest/remove.ts')).removeManifest,
  },
};

const network: Readonly<Record<string, Entry>> = {
  connect: {
    summary: 'Connect a container to a network',
    load: async () => (await import('./network/connect.ts')).connect,
  },
  create: {
    summary: 'Make a network',
    load: async () => (await import('./network/create.ts')).create,
  },
  disconnect: {
    summary: 'Take a container off a network',
    load: async () => (await import('./network/disconnect.ts')).disconnect,
  },
  inspect: {
    summary: 'Show all that is known of networks',
    load: async () => (await import('./inspect/network.ts')).inspectNetwork,
  },
  ls: {
    summary: 'List networks',
    alsoNamed: ['list'],
    load: async () => (await import('./network/list.ts')).list,
  },
  prune: {
    summary: 'Remove networks that no container uses',
    load: async () => (await import('./network/prune.ts')).prune,
  },
  rm: {
    summary: 'Remove networks',
    alsoNamed: ['remove'],
    load: async () => (await import('./network/remove.ts')).remove,
  },
  update: {
    summary: 'Change the bandwidth of a network while it is used',
    load: async () => (await import('./network/update.ts')).update,
  },
};

const trustKey: Readonly<Record<string, Entry>> = {
  generate: {
    summary: 'Make a key pair that signs images: NAME.key and NAME.pub',
    load: async () => (await import('./trust/generate-key.ts')).generateKey,
  },
};
const trust: Readonly<Record<string, Entry>> = {
  key: { summary: 'Work with keys that sign images', group: trustKey },
  sign: {
    summary: 'Sign an image in its registry',
    load: async () => (await import('./trust/sign.ts')).sign,
  },
  inspect: {
    summary: 'Show what the trust policy says of images, and their signatures',
    load: async () => (await import('./image/trust-inspect.ts')).inspectTrust,
  },
};
const system: Readonly<Record<string, Entry>> = {
  check: {
    summary: 'Look for damage in images, and mend it',
    load: async () => (await import('./system/check.ts')).check,
  },
  'dial-stdio': {
    summary: 'Relay standard input and output to the engine',
    load: async () => (await import('./system/dial-stdio.ts')).dialStdio,
  },
  df: {
    summary: 'Show what images, containers and volumes take on the disk',
    load: async () => (await import('./system/df.ts')).df,
  },
  events,
  info,
  prune: {
    summary: 'Remove what nobody uses: containers, networks, images and the build cache',
    load: async () => (await import('./system/prune.ts')).prune,
  },
};

/** All names of the command line. */
export const commands: Readonly<Record<string, Entry>> = {
  run: { ...run, section: 'common' },
  exec: { ...exec, section: 'common' },
  execs,
  'kill-exec': killExec,
  ps: { ...list, alsoNamed: [], section: 'common' },
  pull: { ...pull, section: 'common' },
  push: { ...push, section: 'common' },
  images: {
    summary: 'List images',
    section: 'common',
    load: async () => (await import('./image/list.ts')).images,
  },
  login: {
    summary: 'Log in to a registry',
    section: 'common',
    load: async () => (await import('./registry/login.ts')).login,
  },
  logout: {
    summary: 'Log out of a registry',
    section: 'common',
    load: async () => (await import('./registry/login.ts')).logout,
  },
  version: {
    summary: 'Show the versions of command and engine',
    section: 'common',
    load: async () => (await import('./system/version.ts')).version,
  },
  info: { ...info, section: 'common' },
  build: { ...build, section: 'common', group: { check: checkBuild } },
  builder: { summary: 'Work with builds', section: 'management', group: builder },
  buildx: { summary: "Work with builds, by the names of docker's plugin", section: 'management', group: buildx },
  container: { summary: 'Work with containers', section: 'management', group: container },
  image: { summary: 'Work with images', section: 'management', group: image },
  imagetools: { summary: 'Work with images in registries', section: 'management', group: imagetools },
  manifest: { summary: 'Put images of several platforms under one name', section: 'management', group: manifest },
  network: { summary: 'Work with networks', section: 'management', group: network },
  system: { summary: 'Look at the engine', section: 'management', group: system },
  trust: { summary: 'Look at which images may be used', section: 'management', group: trust },
  volume: { summary: 'Work with volumes', section: 'management', group: volume },
  daemon: {
    summary: 'Run the engine in the foreground',
    section: 'engine',
    load: async () => (await import('./engine/daemon.ts')).daemon,
  },
  quickstart: {
    summary: 'See a container run, from image to clean-up, in half a minute',
    section: 'engine',
    load: async () => (await import('./engine/quickstart.ts')).quickstart,
  },
  setup: {
    summary: 'Install what the engine needs on this machine',
    section: 'engine',
    load: async () => (await import('./engine/setup.ts')).setup,
  },
  attach,
  commit,
  cp: copy,
  create,
  diff,
  events,
  export: exportContainer,
  history: imageHistory,
  import: importImage,
  inspect: {
    summary: 'Show all that is known of containers, images, volumes and networks',
    load: async () => (await import('./inspect/any.ts')).inspectAny,
  },
  kill,
  load,
  logs,
  pause,
  port,
  rename,
  restart,
  rm: { ...removeContainers, alsoNamed: [] },
  rmi: { ...removeImages, alsoNamed: [] },
  save,
  start,
  stats,
  stop,
  tag,
  top,
  unpause,
  update,
  wait,
};

/** The entry called `name`, by its own or another name. */
export function findEntry(
  entries: Readonly<Record<string, Entry>>,
  name: string,
): { readonly name: string; readonly entry: Entry } | undefined {
  const direct = Object.hasOwn(entries, name) ? entries[name] : undefined;
  if (direct !== undefined) return { name, entry: direct };
  const found = Object.entries(entries).find(([, entry]) => entry.alsoNamed?.includes(name));
  return found === undefined ? undefined : { name: found[0], entry: found[1] };
}
