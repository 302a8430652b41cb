import { humanSize } from '../../base/text/units.ts';
import { decodeJsonStream } from '../../client/stream.ts';
import type { StoreCheckView, StoreProblem } from '../../spec/engine/store-check.ts';
import { defineCommand, noArguments } from '../command.ts';
import { CliError } from '../errors.ts';
import { registryConfig } from '../registry/auth-config.ts';
import { flag, types } from '../flags/types.ts';
import type { WireProgress } from '../progress.ts';

export const check = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Look for damage in images, and mend it',
  flags: {
    repair: flag(types.bool, 'Restore what can be restored, fetch damaged blobs from their registries'),
  },
  args: noArguments,
  async run({ session, flags }) {
    const query = { repair: flags.repair ? 1 : undefined };
    // Only who repairs fetches anything.
    const headers = flags.repair ? { 'X-Registry-Config': registryConfig(session) } : {};
    const { body } = await session.client.request('POST', '/system/check', { query, headers });
    let report: StoreCheckView | undefined;
    for await (const message of decodeJsonStream<WireProgress>(body)) {
      const failure = message.errorDetail?.message ?? message.error;
      if (failure !== undefined) throw new CliError(failure);
      if (message.aux !== undefined) report = message.aux as unknown as StoreCheckView;
    }
    if (report === undefined) throw new CliError('the check broke off');
    session.out(report.Problems.map(problemText).join(''));
    const { Blobs, Layers, Images, Records, Bytes, Problems } = report;
    session.out(`Checked ${Images} images: ${Blobs} blobs (${humanSize(Bytes)}) and ${Layers} layers\n`);
    session.out(`Checked ${Records} records\n`);
    const left = Problems.filter(({ Repaired }) => !Repaired).length;
    session.out(`${Problems.length} problems found, ${Problems.length - left} repaired\n`);
    return left === 0 ? 0 : 1;
  },
});

function problemText({ Kind, Id, Images, Message, Repair }: StoreProblem): string {
  const of = Images.length === 0 ? '' : ` of ${Images.join(', ')}`;
  const repair = Repair === '' ? '' : `\n  ${Repair}`;
  return `${Kind} ${Id}${of}: ${Message}${repair}\n`;
}
