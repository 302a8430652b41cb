import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { messageOf } from '../../base/errors.ts';
import { atMost, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';

export const generateKey = defineCommand({
  usage: '[OPTIONS] [NAME]',
  summary: 'Make a key pair that signs images: NAME.key and NAME.pub',
  details: 'NAME is "trust" when it is left out. The private key is not encrypted: whoever can read the file can sign.',
  flags: {
    type: flag(types.string, 'Kind of the key: ecdsa-p256 or ed25519', {
      initial: 'ecdsa-p256',
      shown: '"ecdsa-p256"',
    }),
  },
  args: atMost(1),
  async run({ session, flags, args: [name = 'trust'] }) {
    const { privateKey, publicKey } = makePair(flags.type);
    writeNew(`${name}.key`, privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, 0o600);
    try {
      writeNew(`${name}.pub`, publicKey.export({ type: 'spki', format: 'pem' }) as string, 0o644);
    } catch (error) {
      rmSync(`${name}.key`);
      throw error;
    }
    session.out(`${name}.key\n${name}.pub\n`);
    return 0;
  },
});

function makePair(type: string): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  if (type === 'ecdsa-p256') return generateKeyPairSync('ec', { namedCurve: 'P-256' });
  if (type === 'ed25519') return generateKeyPairSync('ed25519');
  throw new CliError(`--type: ${JSON.stringify(type)}: expected ecdsa-p256 or ed25519`);
}

/** A key is never written over: what it signed could not be checked any more. */
function writeNew(path: string, text: string, mode: number): void {
  try {
    writeFileSync(path, text, { mode, flag: 'wx' });
  } catch (error) {
    throw new CliError(messageOf(error));
  }
}
