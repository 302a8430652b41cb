/** A registry that wants tokens: base images and pushes of builds, with the login of the client. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildPlugins, withBuildx } from '../support/buildx.ts';
import { dockerClient } from '../support/docker-client.ts';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { testImage } from '../support/images.ts';
import { startRegistry } from '../support/registry.ts';
import type { RunResult } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { emptyFolder, folder, lines } from './_build-folder.ts';
import { startTokenServer } from './_token-server.ts';

const password = 'not-to-be-told';

engineSuite('builds with tokens', { prepare: withBuildx }, (engine) => {
  /** Where the token server is reached: clients get tokens themselves. */
  const client = (words: readonly string[]): Promise<RunResult> =>
    engine().inside(words, { env: engine().clientEnv(), timeout: 60_000 });
  const buildx = (...words: readonly string[]) =>
    client([dockerClient(), 'buildx', 'build', '--progress=plain', ...words]);
  const gantry = (...words: readonly string[]) => client([...gantryProgram, 'build', '--progress=plain', ...words]);
  const logins = (auths: object): Promise<void> =>
    writeFile(
      join(engine().paths.clientConfig, 'config.json'),
      JSON.stringify({ cliPluginsExtraDirs: [buildPlugins()], auths }),
    );

  test('the client gets tokens for buildx, and the engine with the password for gantry build', async (t) => {
    const data = emptyFolder(t);
    let base = '';
    {
      await using open = await startRegistry(engine().namespaces, undefined, { data });
      base = (await open.push(await testImage('busybox'), 'private/base')).reference;
    }
    await using tokens = await startTokenServer(engine().namespaces, password);
    const { realm, certificate } = tokens;
    await using registry = await startRegistry(engine().namespaces, undefined, {
      data,
      tokens: { realm, certificate },
    });
    const { host } = registry;
    const context = await folder(t, { Dockerfile: lines(`FROM ${base}`, 'RUN echo made > /x') });

    for (const build of [buildx, gantry]) {
      const none = await build('--pull', context);
      assert.deepEqual(
        [none.code, /denied|unauthorized|authorization|401|authentication/i.test(none.stderr)],
        [1, true],
        none.stderr,
      );
      await logins({ [host]: { auth: Buffer.from('builder:wrong').toString('base64') } });
      const wrong = await build('--pull', context);
      assert.deepEqual(
        [wrong.code, /denied|unauthorized|401|authentication|password/i.test(wrong.stderr)],
        [1, true],
        wrong.stderr,
      );
      await logins({ [host]: { auth: Buffer.from(`builder:${password}`).toString('base64') } });
      const from = tokens.requests.length;
      const pulled = await build('--pull', '-t', 'pulled:1', context);
      assert.equal(pulled.code, 0, pulled.stderr);
      const asked = tokens.requests.slice(from);
      assert.ok(
        asked.some((line) => /builder \S+ repository:private\/base:pull 200$/.test(line)),
        asked.join('\n'),
      );
      if (build === buildx)
        assert.ok(
          asked.some((line) => line.startsWith('POST builder buildkit-client ')),
          asked.join('\n'),
        );
      if (!isOracle()) {
        const pushed = await build('--push', '-t', `${host}/private/made:1`, context);
        assert.equal(pushed.code, 0, pushed.stderr);
        const all = tokens.requests.slice(from);
        assert.ok(
          all.some((line) => /repository:private\/made:(pull,push|push,pull)/.test(line)),
          all.join('\n'),
        );
      }
      assert.ok(!(await engine().logText()).includes(password));
      await logins({});
      await engine().docker(['rmi', '-f', base, 'pulled:1', `${host}/private/made:1`]);
    }
  });
});
