/** The Docker SDK for Python, one of its subjects a test: see docker_py.py. */
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { testImage } from '../support/images.ts';
import { pythonWith } from '../support/python.ts';
import { startRegistry } from '../support/registry.ts';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';

const { name: image } = await testImage('busybox');
const python = await pythonWith(join(import.meta.dirname, 'requirements.txt'));
const everywhere =
  'life execs logs stats archive events settings volumes health system images builds networks lists'.split(' ');
// dockerd would ask the public registry.
const subjects = isOracle() ? everywhere : [...everywhere, 'search'];

engineSuite('the engine through the Docker SDK for Python', {}, (engine) => {
  const drive = (subject: string, more: Readonly<Record<string, string>> = {}) => {
    const env = { ...engine().clientEnv(), IMAGE: image, ...more };
    return must(python, ['-B', join(import.meta.dirname, 'docker_py.py'), subject], { env, timeout: 60_000 });
  };
  for (const subject of subjects) test(subject, () => drive(subject).then(() => undefined));

  test('registry', async () => {
    const crypted = await must('perl', ['-e', "print crypt('secret', '$2y$05$abcdefghijklmnopqrstuu')"]);
    await using registry = await startRegistry(engine().namespaces, `tester:${crypted}`);
    await drive('registry', { REGISTRY: registry.host, REGISTRY_USER: 'tester', REGISTRY_PASSWORD: 'secret' });
  });
});
