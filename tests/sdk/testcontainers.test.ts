/** Testcontainers as its users have it, one of its subjects a test: see _testcontainers.ts. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { testImage } from '../support/images.ts';
import { engineSuite } from '../support/suite.ts';

const { name: image } = await testImage('busybox');
const program = [process.execPath, '--no-warnings', join(import.meta.dirname, '_testcontainers.ts')];
const subjects = [
  'a web server behind a published port',
  'waiting for the log, a health check, a port and an end',
  'settings, commits and what the client tells of the engine',
  'images from Dockerfiles',
];
const dockerfile = `FROM ${image} AS wanted
ARG WORD
RUN echo $WORD > /word
COPY . /all
CMD ["sleep", "1000"]
FROM wanted
RUN exit 9
`;

engineSuite('the engine through Testcontainers', {}, (engine) => {
  for (const subject of subjects) {
    test(subject, async (t) => {
      const context = await mkdtemp(join(tmpdir(), 'gantry-tc-'));
      t.after(() => rm(context, { recursive: true }));
      for (const [name, text] of Object.entries({ 'Dockerfile.own': dockerfile, '.dockerignore': 'none*\n.*\n' })) {
        await writeFile(join(context, name), text);
      }
      for (const name of ['kept', 'none']) await writeFile(join(context, name), name);
      // Its container that removes others comes from a registry.
      const env = {
        ...engine().clientEnv(),
        IMAGE: image,
        CONTEXT: context,
        TESTCONTAINERS_RYUK_DISABLED: 'true',
        DEBUG: 'testcontainers*',
      };
      const { code, stdout, stderr } = await engine().inside([...program, subject], { env, timeout: 90_000 });
      assert.equal(code, 0, `${stdout}${stderr.slice(-8000)}`);
      assert.match(stdout, /^done /m);
    });
  }
});
