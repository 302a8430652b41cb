import { fstatSync, statSync } from 'node:fs';
import { defineCommand, noArguments } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, listOf, types } from '../flags/types.ts';
import { showProgress } from '../progress.ts';
import { displayOn } from '../progress-output.ts';
import { isTerminal } from '../terminal/tty.ts';
import { openError, readUpload } from '../upload.ts';
import { platformJson } from './platform.ts';

export const load = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Load images from a tar archive',
  aliases: ['gantry image load', 'gantry load'],
  flags: {
    input: flag(types.string, 'File to read instead of standard input', { short: 'i' }),
    platform: flag(listOf(), 'Only these platforms: os[/arch[/variant]]'),
    quiet: flag(types.bool, 'Show no progress', { short: 'q' }),
  },
  args: noArguments,
  async run({ session, flags }) {
    checkSource(flags.input);
    const display = displayOn(session, 1);
    const response = await session.client.request('POST', '/images/load', {
      query: {
        quiet: flags.quiet || !display.isTerminal ? 1 : 0,
        platform: flags.platform.length === 0 ? undefined : flags.platform.map(platformJson),
      },
      body: readUpload(flags.input === '' ? '-' : flags.input),
    });
    await showProgress(response.body, display);
    return 0;
  },
});

/** Says at once what would otherwise break in the middle of the upload. */
function checkSource(path: string): void {
  if (path === '' || path === '-') {
    if (isTerminal(0) || fstatSync(0).isCharacterDevice()) {
      throw new CliError('requested load from stdin, but stdin is empty');
    }
    return;
  }
  try {
    if (statSync(path).isDirectory()) throw new CliError(`read ${path}: is a directory`);
  } catch (error) {
    throw error instanceof CliError ? error : openError(path, error);
  }
}
