/** What builds take from elsewhere: addresses, git repositories, archives; and COPY --parents. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { run, type RunResult } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { folder, lines } from './_build-folder.ts';
import { busybox, dockerOf } from './_docker.ts';
import { type FileServer, serveFiles } from './_file-server.ts';

engineSuite('sources of builds', {}, (engine) => {
  const docker = dockerOf(engine);
  const [program, ...first] = gantryProgram;
  const build = (args: readonly string[], input?: string | Uint8Array): Promise<RunResult> =>
    run(program, [...first, 'build', '--progress=plain', ...args], {
      env: engine().clientEnv(),
      timeout: 60_000,
      ...(input === undefined ? {} : { input }),
    });
  const built = async (args: readonly string[], input?: string | Uint8Array): Promise<string> => {
    const { code, stderr } = await build(args, input);
    assert.equal(code, 0, stderr);
    return stderr;
  };
  const look = (name: string, script: string): Promise<string> => docker.ok('run', '--rm', name, 'sh', '-c', script);

  /** A folder that is served, with a repository of two commits, a tag, a branch and a submodule. */
  async function served(t: TestContext): Promise<{ path: string; server: FileServer; commits: readonly string[] }> {
    const path = await folder(t, { 'plain.txt': 'plain\n', 'odd[1]*.txt': 'odd\n' });
    const work = join(path, 'work');
    const git = (...args: readonly string[]): string => {
      const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.com', '-c', 'protocol.file.allow=always'];
      return execFileSync('git', [...identity, ...args], { cwd: work, encoding: 'utf8', stdio: 'pipe' }).trim();
    };
    await mkdir(join(work, 'sub/deep'), { recursive: true });
    await writeFile(join(work, 'Dockerfile'), lines(`FROM ${busybox}`, 'COPY . /repo'));
    await writeFile(join(work, 'sub/Dockerfile'), lines(`FROM ${busybox}`, 'COPY . /sub'));
    await writeFile(join(work, 'sub/deep/file'), 'one\n');
    await writeFile(join(work, 'run.sh'), '#!/bin/sh\n');
    await writeFile(join(work, '.gitattributes'), 'hidden export-ignore\n');
    await writeFile(join(work, 'hidden'), 'not hidden\n');
    await chmod(join(work, 'run.sh'), 0o755);
    await symlink('run.sh', join(work, 'link'));
    git('init', '-q', '-b', 'main', '.');
    git('add', '.');
    git('commit', '-qm', 'first');
    git('tag', '-a', 'v1', '-m', 'tag');
    const commits = [git('rev-parse', 'HEAD')];
    await writeFile(join(work, 'sub/deep/file'), 'two\n');
    git('commit', '-qam', 'second');
    git('branch', 'other');
    commits.push(git('rev-parse', 'HEAD'));
    git('clone', '-q', '--bare', '.', '../repo.git');
    execFileSync('git', ['update-server-info'], { cwd: join(path, 'repo.git') });
    const server = await serveFiles(engine().namespaces, path);
    t.after(() => server[Symbol.asyncDispose]());
    return { path, server, commits };
  }

  test('ADD takes files of addresses, with their checksums, and not again what has not changed', async (t) => {
    const { server, path } = await served(t);
    const plain = await readFile(join(path, 'plain.txt'));
    const sum = `sha256:${createHash('sha256').update(plain).digest('hex')}`;
    const dockerfile = (checksum: string) =>
      lines(
        `FROM ${busybox}`,
        `ADD --checksum=${checksum} ${server.address}/plain.txt /a/`,
        `ADD --chmod=644 ${server.address}/odd%5B1%5D*.txt ${server.address}/moved /b/`,
      );
    const context = await folder(t, { Dockerfile: dockerfile(sum) });
    await built(['-t', 'added:1', context]);
    const script = 'cd /; cat /a/plain.txt; stat -c "%a %Y %u" /a/plain.txt; ls /b; cat /b/moved; stat -c %a /b/*';
    assert.equal(await look('added:1', script), 'plain\n600 1643709600 0\nmoved\nodd[1]*.txt\nplain\n644\n644');
    const again = await built(['-t', 'added:1', context]);
    assert.match(again, /\[2\/3\] ADD --checksum=.*\n#\d+ CACHED/);
    if (!isOracle()) {
      const mine = server.requests.filter((line) => line.includes('plain.txt'));
      assert.deepEqual(mine.slice(0, 1), ['GET /plain.txt 200'], 'with a checksum it is not even asked for again');
      assert.equal(server.requests.filter((line) => /odd.* 200/.test(line)).length, 1);
      assert.equal(server.requests.filter((line) => /odd.* 304/.test(line)).length, 1);
    }
    const wrong = sum.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'));
    await writeFile(join(context, 'Dockerfile'), dockerfile(wrong));
    const refused = await build([context]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /digest mismatch sha256:/);
    await writeFile(join(context, 'Dockerfile'), lines(`FROM ${busybox}`, `ADD ${server.address}/none /`));
    const missing = await build([context]);
    assert.deepEqual(
      [missing.code, /(invalid response status|failed with status|unexpected response) .*404/.test(missing.stderr)],
      [1, true],
      missing.stderr,
    );
  });

  test('git: refs of all kinds, folders, the .git folder; the context and ADD', async (t) => {
    const { server, commits } = await served(t);
    await built(['-t', 'git:1', `${server.git}/repo.git`]);
    const listing =
      'cd /repo; cat sub/deep/file hidden; stat -c %a run.sh; readlink link; ls -d .git 2>/dev/null || true';
    assert.equal(await look('git:1', listing), 'two\nnot hidden\n755\nrun.sh');
    await built(['-t', 'git:2', `${server.git}/repo.git#v1:sub`]);
    assert.equal(await look('git:2', 'cat /sub/deep/file; ls -A /sub'), 'one\nDockerfile\ndeep');
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM ${busybox}`,
        `ADD --keep-git-dir=true ${server.git}/repo.git#other /kept`,
        `ADD ${server.address}/repo.git#${commits[0]} /first`,
        `ADD --checksum=${commits[1]} ${server.git}/repo.git#main:sub/deep /deep`,
      ),
    });
    await built(['-t', 'git:3', context]);
    assert.equal(
      await look('git:3', 'cat /kept/.git/HEAD; cat /first/sub/deep/file /deep/file; ls -A /deep'),
      `${commits[1]}\none\ntwo\nfile`,
    );
    const again = await built(['-t', 'git:3', context]);
    assert.equal(again.match(/ADD .*\n#\d+ CACHED/g)?.length, 3);
  });

  test('what would mean something else to git is refused, and what is not there is told', async (t) => {
    const { server } = await served(t);
    const failing = async (source: string, flags = ''): Promise<string> => {
      const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, `ADD ${flags} ${source} /x`) });
      const { code, stderr } = await build([context]);
      assert.equal(code, 1, `${source}: ${stderr}`);
      return stderr;
    };
    await failing(`${server.git}/repo.git#nothing`);
    await failing(`${server.git}/nowhere.git`);
    if (isOracle()) return;
    assert.match(await failing(`${server.git}/repo.git#--upload-pack=touch`), /invalid git ref "--upload-pack=touch"/);
    assert.match(await failing(`${server.git}/repo.git#main:../..`), /leads out of it/);
    assert.match(
      await failing(`${server.git}/repo.git#main`, '--checksum=1234567'),
      /expected checksum to match 1234567/,
    );
    assert.match(await failing('git@example.com:a/b.git'), /no SSH key "default" forwarded from the client/);
    assert.match(await failing(`${server.git}/repo.git#nothing`), /repository does not contain ref nothing/);
  });

  test('archives are contexts: on standard input, behind an address, by name', async (t) => {
    const { server, path } = await served(t);
    const content = await folder(t, {
      Dockerfile: lines(`FROM ${busybox}`, 'COPY f /f', 'COPY --from=more g /g'),
      f: 'from the archive\n',
      g: 'named\n',
    });
    const archive = execFileSync('tar', ['-C', content, '-cz', '.']);
    await writeFile(join(path, 'context.tar.gz'), archive);
    // BuildKit takes no archives behind addresses by name.
    const more = isOracle() ? content : `${server.address}/context.tar.gz`;
    await built(['-t', 'tar:1', '--build-context', `more=${more}`, '-'], archive);
    assert.equal(await look('tar:1', 'cat /f /g'), 'from the archive\nnamed');
    await built(['-t', 'tar:2', '--build-context', `more=${content}`, `${server.address}/context.tar.gz`]);
    assert.equal(await look('tar:2', 'cat /f /g'), 'from the archive\nnamed');
    await writeFile(join(path, 'alone'), lines(`FROM ${busybox}`, 'RUN echo alone > /alone'));
    await built(['-t', 'tar:3', `${server.address}/alone`]);
    assert.equal(await look('tar:3', 'cat /alone'), 'alone');
  });

  test('COPY --parents keeps the folders, of contexts and of stages', {
    skip: isOracle() && 'this BuildKit needs another syntax for it, from a registry',
  }, async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM ${busybox} AS from`,
        'RUN mkdir -p /x/y/z /x/w && echo 1 > /x/y/z/a && echo 2 > /x/y/b && echo 3 > /x/w/c.txt && chmod 750 /x/y',
        `FROM ${busybox}`,
        'COPY --parents one/two/f one/*.txt /c/',
        'COPY --parents one/./two/f /p/',
        'COPY --from=from --parents /x/y/z /x/./*/*.txt /s/',
      ),
      'one/two/f': 'f',
      'one/two/g': 'g',
      'one/a.txt': 'a',
      'one/b.md': 'b',
    });
    await built(['-t', 'parents:1', context]);
    const found = await look('parents:1', 'cd /; find c p s | sort; stat -c %a s/x/y');
    assert.deepEqual(found.split('\n'), [
      'c',
      'c/one',
      'c/one/a.txt',
      'c/one/two',
      'c/one/two/f',
      'p',
      'p/two',
      'p/two/f',
      's',
      's/w',
      's/w/c.txt',
      's/x',
      's/x/y',
      's/x/y/z',
      's/x/y/z/a',
      '750',
    ]);
    await writeFile(join(context, 'Dockerfile'), lines(`FROM ${busybox}`, 'COPY --parents one/none /c/'));
    const missing = await build([context]);
    assert.deepEqual([missing.code, /"\/one\/none": not found/.test(missing.stderr)], [1, true], missing.stderr);
  });
});
