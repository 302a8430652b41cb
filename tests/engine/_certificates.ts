import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { must } from '../support/run.ts';

const newKey = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes';

/** Makes a CA and certificates in `folder`: `NAME.pem` and `NAME-key.pem` for ca, server, client and rogue. */
export async function makeCertificates(folder: string, serverNames = 'IP:127.0.0.1'): Promise<void> {
  const at = (name: string): string => join(folder, name);
  const openssl = (words: string) => must('openssl', words.split(' '));
  const selfSigned = (name: string) =>
    openssl(`req -x509 ${newKey} -days 2 -subj /CN=${name} -keyout ${at(`${name}-key.pem`)} -out ${at(`${name}.pem`)}`);
  const signed = async (name: string, extensions: string) => {
    await writeFile(at(`${name}.cnf`), extensions);
    await openssl(`req ${newKey} -subj /CN=${name} -keyout ${at(`${name}-key.pem`)} -out ${at(`${name}.csr`)}`);
    const ca = `-CA ${at('ca.pem')} -CAkey ${at('ca-key.pem')} -set_serial ${name.length}`;
    await openssl(
      `x509 -req -in ${at(`${name}.csr`)} ${ca} -days 2 -extfile ${at(`${name}.cnf`)} -out ${at(`${name}.pem`)}`,
    );
  };
  await selfSigned('ca');
  await signed('server', `subjectAltName=${serverNames}\nextendedKeyUsage=serverAuth\n`);
  await signed('client', 'extendedKeyUsage=clientAuth\n');
  await selfSigned('rogue');
}
