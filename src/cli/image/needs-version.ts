import { compareVersions } from '../../client/target.ts';
import { CliError } from '../errors.ts';
import type { Session } from '../session.ts';

/** An older engine would pass over the flag, and do more than was asked for. @throws CliError in docker's words */
export async function needsVersion(session: Session, flag: string, version: string): Promise<void> {
  const spoken = await session.client.version();
  if (compareVersions(spoken, version) >= 0) return;
  throw new CliError(`"--${flag}" requires API version ${version}, but the Gantry daemon API version is ${spoken}`);
}
