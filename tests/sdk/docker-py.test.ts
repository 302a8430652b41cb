/** The Docker SDK for Python, one of its subjects a test: see docker_py.py. */
import { join } from 'node:path';
import { test } from 'node:test';
import { testImage } from '../support/images.ts';
import { pythonWith } from '../support/python.ts';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';

const { name: image } = await testImage('busybox');
const python = await pythonWith(join(import.meta.dirname, 'requirements.txt'));
const subjects = [
  'life',
  'execs',
  'logs',
  'stats',
  'archive',
  'events',
  'settings',
  'health',
  'system',
  'images',
  'networks',
];

engineSuite('the engine through the Docker SDK for Python', {}, (engine) => {
  for (const subject of subjects) {
    test(subject, async () => {
      const env = { ...engine().clientEnv(), IMAGE: image };
      await must(python, ['-B', join(import.meta.dirname, 'docker_py.py'), subject], { env, timeout: 60_000 });
    });
  }
});
