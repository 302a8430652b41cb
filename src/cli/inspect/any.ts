import { messageOf } from '../../base/errors.ts';
import { isNotFound } from '../../client/errors.ts';
import { atLeast, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import { inspectFormatHelp } from '../format/help.ts';
import type { Session } from '../session.ts';
import { findContainer, findImage, findNetwork, findVolume } from './_find.ts';
import { inspectAll } from './_inspect.ts';
import type { Found } from './_inspect.ts';

type Finder = (session: Session, name: string, size: boolean) => Promise<Found>;

/** In the order in which a bare name is tried. */
const finders = new Map<string, Finder>([
  ['container', findContainer],
  ['image', (session, name) => findImage(session, name)],
  ['network', (session, name) => findNetwork(session, name)],
  ['volume', findVolume],
]);
/** Kinds that docker has and this engine has not. */
const others = ['config', 'node', 'plugin', 'secret', 'service', 'task'];
const allTypes = [...finders.keys(), ...others].sort();

export const inspectAny = defineCommand({
  usage: '[OPTIONS] NAME|ID [NAME|ID...]',
  summary: 'Show all that is known of containers, images, volumes and networks',
  flags: {
    format: flag(types.string, inspectFormatHelp, { short: 'f' }),
    size: flag(types.bool, 'Show how much room the files of containers take', { short: 's' }),
    type: flag(types.string, 'Look only among objects of this type'),
  },
  args: atLeast(1),
  async run({ session, flags, given, args }) {
    const listed = `must be one of "${allTypes.join('", "')}"`;
    if (given.has('type') && flags.type === '') throw new CliError(`type is empty: ${listed}`);
    if (flags.type !== '' && !allTypes.includes(flags.type)) {
      throw new CliError(`unknown type: ${JSON.stringify(flags.type)}: ${listed}`);
    }
    return inspectAll(session, args, flags.format, (name) => findAny(session, name, flags.type, flags.size));
  },
});

async function findAny(session: Session, name: string, type: string, size: boolean): Promise<Found> {
  for (const [kind, find] of finders) {
    if (type !== '' && type !== kind) continue;
    try {
      const found = await find(session, name, size);
      if (size && kind !== 'container') session.err(`WARNING: --size ignored for ${kind}\n`);
      return found;
    } catch (error) {
      if (type !== '' || !isSkippable(error)) throw error;
    }
  }
  throw new CliError(`Error: No such object: ${name}`);
}

const isSkippable = (error: unknown): boolean =>
  isNotFound(error) || /not supported|invalid reference format/.test(messageOf(error));
