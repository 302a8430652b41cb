import { readFileSync } from 'node:fs';
import { formatReference, type Reference, repositoryOf } from '../../spec/reference/reference.ts';
import { atLeast, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, listOf, types } from '../flags/types.ts';
import { openRegistries, type Registries } from '../registry/client.ts';
import { copyBlobs } from '../registry/copy.ts';
import { never, parseName, readDocument } from '../registry/documents.ts';
import type { Session } from '../session.ts';
import { combine, type Part } from './_combine.ts';
import { readSources } from './_sources.ts';

export const createRemote = defineCommand({
  usage: '[OPTIONS] [SOURCE...]',
  summary: 'Put an image together of others, in registries',
  flags: {
    annotation: flag(listOf(), 'Note in the index: index:key=value, manifest-descriptor[PLATFORM]:key=value'),
    append: flag(types.bool, 'Add to what the first tag has now'),
    'dry-run': flag(types.bool, 'Show the index instead of pushing it'),
    file: flag(listOf(), 'Read a source from a file', { short: 'f' }),
    insecure: flag(types.bool, 'Accept plain HTTP, and certificates that nobody vouches for'),
    platform: flag(listOf(), 'Only these platforms: os[/arch[/variant]]', { short: 'p' }),
    'prefer-index': flag(types.bool, 'Make an index also around a single manifest', { initial: true, shown: 'true' }),
    progress: flag(types.string, 'Accepted for compatibility', { hidden: true, initial: 'auto' }),
    tag: flag(listOf(), 'Name of the new image', { short: 't' }),
  },
  args: atLeast(0),
  async run({ session, flags, args }) {
    if (args.length === 0 && flags.file.length === 0) throw new CliError('no sources specified');
    if (!flags['dry-run'] && flags.tag.length === 0) {
      throw new CliError("can't push with no tags specified, please set --tag or --dry-run");
    }
    const tags = flags.tag.map(parseTag);
    const existing = flags.append ? flags.tag.slice(0, 1) : [];
    const texts = [...existing, ...flags.file.map((path) => readFileSync(path, 'utf8').trim()), ...args];
    const registries = openRegistries(session, flags.insecure);
    const made = await combine(registries, await readSources(registries, texts, tags), {
      annotations: flags.annotation,
      preferIndex: flags['prefer-index'],
      platforms: flags.platform.flatMap((text) => text.split(',')),
    });
    if (flags['dry-run']) {
      session.out(`${Buffer.from(made.bytes).toString()}\n`);
      return 0;
    }
    for (const tag of tags) {
      for (const part of made.parts) await bring(session, registries, part, tag);
      session.err(`pushing ${made.descriptor.digest} to ${formatReference(tag)}\n`);
      await registries.target(tag).manifest(made.descriptor, { bytes: made.bytes, tag: tag.tag, signal: never });
    }
    return 0;
  },
});

/** @throws CliError for a name with a digest: what it will be is not known yet */
function parseTag(text: string): Reference & { readonly tag: string } {
  const { tag, digest, ...repository } = parseName(text);
  if (tag === undefined || digest !== undefined) throw new CliError(`${JSON.stringify(text)} is no tag`);
  return { ...repository, tag };
}

/** Copies a manifest with its blobs into the repository of a tag. */
async function bring(
  session: Session,
  registries: Registries,
  { descriptor, source }: Part,
  tag: Reference,
): Promise<void> {
  const from = { ...repositoryOf(source.reference), digest: descriptor.digest };
  session.err(`copying ${descriptor.digest} from ${formatReference(source.reference)} to ${formatReference(tag)}\n`);
  const { bytes, document } = await readDocument(registries.repository(from), from);
  if (document.kind === 'index') throw new CliError(`${descriptor.digest} is an index inside an index`);
  await copyBlobs(registries, { manifest: document.manifest, from, to: tag, signal: never });
  await registries.target(tag).manifest({ ...descriptor, mediaType: document.mediaType }, { bytes, signal: never });
}
