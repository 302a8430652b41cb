/** Repositories that builds reach by ssh, with the agent of the client. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { emptyFolder, folder, lines } from './_build-folder.ts';
import { buildxOf } from './_buildx.ts';
import { busybox } from './_docker.ts';
import { type SshServer, startSshd } from './_ssh-server.ts';

engineSuite('git over ssh', { prepare: withBuildx }, (engine) => {
  const { docker, build, built } = buildxOf(engine);
  const look = (name: string, script: string): Promise<string> => docker.ok('run', '--rm', name, 'sh', '-c', script);

  /** A home with a repository that has a submodule beside it. */
  async function served(t: TestContext): Promise<{ server: SshServer; home: string }> {
    const home = emptyFolder(t);
    const git = (cwd: string, ...args: readonly string[]): string => {
      const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.com', '-c', 'protocol.file.allow=always'];
      return execFileSync('git', [...identity, ...args], {
        cwd: join(home, cwd),
        encoding: 'utf8',
        stdio: 'pipe',
      }).trim();
    };
    for (const name of ['inner', 'work']) {
      await mkdir(join(home, name, 'sub'), { recursive: true });
      await writeFile(join(home, name, 'sub/file'), `${name}\n`);
      await writeFile(join(home, name, 'sub/Dockerfile'), lines(`FROM ${busybox}`, 'COPY . /sub'));
      git(name, 'init', '-q', '-b', 'main', '.');
      git(name, 'add', '.');
      git(name, 'commit', '-qm', 'first');
    }
    git('.', 'clone', '-q', '--bare', 'inner', 'inner.git');
    git('work', 'submodule', '--quiet', 'add', '../inner.git', 'mod');
    git('work', 'config', '-f', '.gitmodules', 'submodule.mod.url', '../inner.git');
    git('work', 'add', '.gitmodules');
    git('work', 'commit', '-qm', 'second');
    git('.', 'clone', '-q', '--bare', 'work', 'repo.git');
    const server = await startSshd(engine().namespaces, home, emptyFolder(t));
    t.after(() => server[Symbol.asyncDispose]());
    return { server, home };
  }

  test('a context, ADD and a named context, with the agent of the client', async (t) => {
    const { server, home } = await served(t);
    const ssh = `--ssh=default=${server.key}`;
    await built('git@127.0.0.1:repo.git#main:sub', '-t', 'ssh:1', ssh);
    assert.equal(await look('ssh:1', 'cat /sub/file; ls -A /sub'), 'work\nDockerfile\nfile');
    // Docker asks for submodules by an address in which it has masked the user.
    if (isOracle()) return;
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM ${busybox}`,
        'ADD git@127.0.0.1:repo.git /all',
        `ADD --keep-git-dir=true ssh://git@127.0.0.1${home}/repo.git#main /kept`,
        'COPY --from=named file /named',
      ),
    });
    const named = '--build-context=named=git@127.0.0.1:repo.git#main:sub';
    const said = await built(context, '-t', 'ssh:2', ssh, named);
    assert.equal(
      await look('ssh:2', 'cat /all/mod/sub/file /named; test -d /kept/.git && echo git'),
      'inner\nwork\ngit',
    );
    assert.match(said, /127\.0\.0\.1 has the key ssh-ed25519 SHA256:\S{43}, which nobody vouches for/);
    const [program, ...first] = gantryProgram;
    const words = [...first, 'build', '--progress=plain', '-t', 'ssh:3', ssh, 'git@127.0.0.1:repo.git#main:sub'];
    const { code, stderr } = await run(program, words, { env: engine().clientEnv(), timeout: 60_000 });
    assert.equal(code, 0, stderr);
  });

  test('without an agent, with another key, and with a host that is not the one the client knows', async (t) => {
    const { server } = await served(t);
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'ADD git@127.0.0.1:repo.git /all') });
    const without = await build(context);
    assert.deepEqual(
      [without.code, /no SSH key "default" forwarded|unset ssh forward key default/.test(without.stderr)],
      [1, true],
      without.stderr,
    );
    const other = join(emptyFolder(t), 'other');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', other]);
    const refused = await build(context, `--ssh=default=${other}`);
    assert.deepEqual([refused.code, /Permission denied/.test(refused.stderr)], [1, true], refused.stderr);
    if (isOracle()) return;
    const known = join(emptyFolder(t), 'known');
    const secret = `--secret=id=GIT_SSH_KNOWN_HOSTS,src=${known}`;
    const [type = '', key = ''] = execFileSync('cat', [`${other}.pub`], { encoding: 'utf8' }).split(' ');
    await writeFile(known, `127.0.0.1 ${type} ${key}\n`);
    const strange = await build(context, `--ssh=default=${server.key}`, secret);
    assert.deepEqual([strange.code, /Host key verification failed/.test(strange.stderr)], [1, true], strange.stderr);
    await writeFile(known, server.knownHost);
    assert.doesNotMatch(await built(context, `--ssh=default=${server.key}`, secret), /nobody vouches/);
    assert.match(await server.log(), /Accepted publickey for git/);
  });
});
