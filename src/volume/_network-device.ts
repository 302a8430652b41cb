import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { Semaphore } from '../base/async.ts';
import { messageOf } from '../base/errors.ts';
import type { VolumeSource } from './options.ts';

type FileSystem = Extract<VolumeSource, { kind: 'filesystem' }>;

/** One at a time: a resolver that does not answer keeps a thread that files are read with, too. */
const turns = new Semaphore(1);

/**
 * NFS and CIFS in the kernel take addresses only: a name in the option `addr`, or else in the device of a share, is looked
 * up at each mount, as Docker does. @throws Error in Docker's words
 */
export async function withAddress(source: FileSystem): Promise<FileSystem> {
  if (source.type !== 'nfs' && source.type !== 'cifs') return source;
  const named = source.options.findIndex((option) => typeof option !== 'string' && option[0] === 'addr');
  if (named >= 0) {
    const name = source.options[named]?.[1] ?? '';
    if (name === '') return source;
    return { ...source, options: source.options.with(named, ['addr', await addressOf(name)]) };
  }
  const [, host = '', path = ''] = /^\/\/([^/]+)(\/.*)?$/.exec(source.device) ?? [];
  if (source.type !== 'cifs' || host === '') return source;
  return { ...source, device: `//${await addressOf(host)}${path}` };
}

/** An IPv4 address if there is one. */
async function addressOf(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    const found = await turns.run(() => lookup(host, { all: true, order: 'ipv4first' }));
    const [first] = found;
    if (first === undefined) throw new Error('no such host');
    return first.address;
  } catch (error) {
    const why = (error as { code?: string }).code === 'ENOTFOUND' ? 'no such host' : messageOf(error);
    throw new Error(`error resolving passed in network volume address: lookup ${host.slice(0, 255)}: ${why}`, {
      cause: error,
    });
  }
}

const secret = /^(pass|passwd|password|password2|secret)$/;

/** The options as an error may show them: passwords as stars. */
export const shownOptions = ({ options }: FileSystem): string =>
  options
    .map((option) =>
      typeof option === 'string' ? option : `${option[0]}=${secret.test(option[0]) ? '********' : option[1]}`,
    )
    .join(',');
