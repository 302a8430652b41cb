import { delay } from '../../base/async.ts';
import { messageOf } from '../../base/errors.ts';
import { pathPart } from '../../client/target.ts';
import { isNotFound } from '../../client/errors.ts';
import { decodeJsonStream } from '../../client/stream.ts';
import type { ContainerSummary } from '../../spec/engine/container.ts';
import { atLeast, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import { formatHelp } from '../format/help.ts';
import { formatRows } from '../format/rows.ts';
import type { Session } from '../session.ts';
import { statsKind, statsTable } from './_stats-rows.ts';
import type { StatsAnswer, StatsRow } from './_stats-rows.ts';

const redrawMs = 500;

export const stats = defineCommand({
  usage: '[OPTIONS] [CONTAINER...]',
  summary: 'Show what containers use of processor, memory, network and disks',
  aliases: ['gantry container stats', 'gantry stats'],
  flags: {
    all: flag(types.bool, 'Show all containers, not only those that run', { short: 'a' }),
    format: flag(types.string, formatHelp),
    'no-stream': flag(types.bool, 'Show one measurement and end'),
    'no-trunc': flag(types.bool, 'Cut nothing short'),
  },
  args: atLeast(0),
  async run({ session, flags, args }) {
    const format = flags.format || session.config.statsFormat || '';
    const print = (rows: readonly StatsRow[]) => formatRows(format, statsKind(!flags['no-trunc']), statsTable, rows);
    if (flags['no-stream']) {
      session.out(await print(await measureAll(session, args, flags.all)));
      return 0;
    }
    return watch(session, args, flags.all, print);
  },
});

const listIds = async (session: Session, all: boolean): Promise<string[]> =>
  (await session.client.json<ContainerSummary[]>('GET', '/containers/json', { query: { all } })).map(({ Id }) =>
    Id.slice(0, 12),
  );

async function measureAll(session: Session, names: readonly string[], all: boolean): Promise<StatsRow[]> {
  const isListed = names.length === 0;
  const ids = isListed ? await listIds(session, all) : names;
  const rows = await Promise.all(ids.map((id) => measure(session, id).catch((error: unknown) => ({ id, error }))));
  const failures = rows.flatMap((row) => ('error' in row ? [messageOf(row.error)] : []));
  if (!isListed && failures.length > 0) throw new CliError(failures.join('\n'));
  // A listed container may be gone by now: it has no row.
  return rows.flatMap((row) => ('error' in row ? [] : [row]));
}

async function measure(session: Session, container: string): Promise<StatsRow> {
  const answer = await session.client.json<StatsAnswer>('GET', `/containers/${pathPart(container)}/stats`, {
    query: { stream: 0 },
  });
  return { container, answer };
}

/** Redraws the table until the command is interrupted; containers come and go while all are watched. */
async function watch(
  session: Session,
  names: readonly string[],
  all: boolean,
  print: (rows: readonly StatsRow[]) => Promise<string>,
): Promise<number> {
  const rows = new Map<string, StatsRow>();
  const failures: string[] = [];
  const follow = (id: string) => {
    if (rows.has(id)) return;
    rows.set(id, { container: id, answer: undefined });
    void followOne(session, id, rows).catch((error: unknown) => {
      rows.delete(id);
      if (names.length > 0 || !isNotFound(error)) failures.push(messageOf(error));
    });
  };
  for (;;) {
    for (const id of names.length > 0 ? (rows.size === 0 ? names : []) : await listIds(session, all)) follow(id);
    await delay(redrawMs);
    if (failures.length > 0) throw new CliError(failures.join('\n'));
    if (names.length > 0 && rows.size === 0) return 0;
    const lines = (await print([...rows.values()])).split('\n').map((line) => `${line} \x1b[K\n`);
    session.out(`\x1b[H${lines.join('')}\x1b[J`);
  }
}

async function followOne(session: Session, id: string, rows: Map<string, StatsRow>): Promise<void> {
  const response = await session.client.request('GET', `/containers/${pathPart(id)}/stats`, {
    query: { stream: 1 },
  });
  for await (const answer of decodeJsonStream<StatsAnswer>(response.body)) rows.set(id, { container: id, answer });
  rows.delete(id);
}
