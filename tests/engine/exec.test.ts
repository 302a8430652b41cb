/** `docker exec` and the operations behind it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

interface ExecView {
  readonly ID: string;
  readonly Running: boolean;
  readonly ExitCode: number | null;
  readonly ProcessConfig: { readonly entrypoint: string; readonly arguments: readonly string[]; readonly tty: boolean };
  readonly Pid: number;
  readonly ContainerID: string;
}

engineSuite('exec', {}, (engine) => {
  const docker = dockerOf(engine);
  const host = async (...flags: string[]) => {
    await docker.ok('run', '-d', '--name=host', ...flags, busybox, 'sleep', '1000');
  };
  const post = async (path: string, body?: unknown) => {
    const answer = await engine().api('POST', path, body);
    assert.ok(answer.status < 300, answer.text);
    return answer;
  };
  const inspect = async (id: string) => (await engine().api('GET', `/exec/${id}/json`)).json<ExecView>();

  test('exit codes, both outputs, stdin to its end', async () => {
    await host();
    const [code, missing, forbidden, piped, silent] = await Promise.all([
      docker('exec', 'host', 'sh', '-c', 'echo out; echo err >&2; exit 42'),
      docker('exec', 'host', 'no-such-command'),
      docker('exec', 'host', '/etc/passwd'),
      docker.fed('c\na\nb\n', 'exec', '-i', 'host', 'sort'),
      docker.fed('unread', 'exec', 'host', 'wc', '-c'),
    ]);
    assert.deepEqual(code, { code: 42, stdout: 'out\n', stderr: 'err\n' });
    assert.equal(missing.code, 127);
    assert.match(
      missing.stdout + missing.stderr,
      /OCI runtime exec failed: exec failed: .*executable file not found in \$PATH/,
    );
    assert.equal(forbidden.code, 126);
    assert.match(forbidden.stdout + forbidden.stderr, /permission denied/);
    assert.equal(piped.stdout, 'a\nb\nc\n');
    assert.equal(silent.stdout, '0\n');
  });

  test('environment, directory, user, privileges', async () => {
    await host('-e', 'FROM=container', '-w', '/tmp', '-u', '1000', '--hostname=box');
    const show = 'echo $FROM $MORE $HOME $HOSTNAME $(pwd) $(id -u):$(id -g):$(id -G | tr " " ,)';
    const [plain, changed, other] = await Promise.all([
      docker.ok('exec', 'host', 'sh', '-c', show),
      docker.ok('exec', '-e', 'MORE=x', '-e', 'FROM=exec', '-w', '/var/www', '-u', '0', 'host', 'sh', '-c', show),
      docker.ok('exec', '-u', 'nobody:2000', 'host', 'sh', '-c', show),
    ]);
    assert.equal(plain, 'container /home box /tmp 1000:1000:1000,2000');
    assert.equal(changed, 'exec x /root box /var/www 0:0:0');
    assert.equal(other, 'container / box /tmp 65534:2000:2000');
    const [bounding, all] = await Promise.all([
      docker.ok('exec', '-u', '0', 'host', 'awk', '/CapEff/{print $2}', '/proc/self/status'),
      docker.ok('exec', '-u', '0', '--privileged', 'host', 'awk', '/CapEff/{print $2}', '/proc/self/status'),
    ]);
    assert.equal(bounding, '00000000a80425fb');
    assert.ok(BigInt(`0x${all}`) > BigInt(`0x${bounding}`), all);
    const unknown = await docker('exec', '-u', 'stranger', 'host', 'true');
    assert.notEqual(unknown.code, 0);
    assert.match(unknown.stdout + unknown.stderr, /unable to find user stranger: no matching entries in passwd file/);
    const nowhere = await docker('exec', '-w', '/nowhere', 'host', 'true');
    assert.notEqual(nowhere.code, 0);
    assert.match(
      nowhere.stdout + nowhere.stderr,
      /nowhere.*no such file or directory|no such file or directory.*nowhere/i,
    );
  });

  test('--env-file, and -d, which prints nothing and goes on', async () => {
    await host();
    assert.equal(
      await docker.ok('exec', '-d', '-e', 'WORD=kept', 'host', 'sh', '-c', 'echo $WORD > /written; exec sleep 900'),
      '',
    );
    await eventually(
      'it has written',
      async () => (await docker('exec', 'host', 'cat', '/written')).stdout === 'kept\n',
      { every: 50 },
    );
    assert.match(await docker.ok('exec', 'host', 'ps'), /sleep 900/);
  });

  test('only in running containers', async () => {
    await docker.ok('create', '--name=host', busybox, 'true');
    const created = await docker('exec', 'host', 'true');
    assert.equal(created.code, 1);
    const id = await docker.field('host', '{{.Id}}');
    assert.equal(created.stderr.trim(), `Error response from daemon: container ${id} is not running`);
    const answer = await engine().api('POST', '/containers/host/exec', { Cmd: ['true'] });
    assert.equal(answer.status, 409);
    const nobody = await docker('exec', 'nobody', 'true');
    assert.match(nobody.stderr, /No such container: nobody/);
    assert.equal((await engine().api('GET', '/exec/nothing/json')).status, 404);
  });

  test('inspect before, during and after; a second start is refused', async () => {
    await host();
    const Cmd = ['sh', '-c', 'read -r line; exit 5'];
    const created = await post('/containers/host/exec', { Cmd, AttachStdin: true, AttachStdout: true });
    assert.equal(created.status, 201);
    const { Id } = created.json<{ Id: string }>();
    const before = await inspect(Id);
    assert.deepEqual([before.Running, before.ExitCode], [false, null]);
    assert.equal((await engine().api('GET', '/containers/host/json')).json<{ ExecIDs: string[] }>().ExecIDs[0], Id);
    await post(`/exec/${Id}/start`, { Detach: true });
    const during = await inspect(Id);
    assert.deepEqual([during.Running, during.ExitCode], [true, null]);
    assert.deepEqual(during.ProcessConfig.arguments, Cmd.slice(1));
    assert.ok(during.Pid > 1);
    assert.equal((await engine().api('POST', `/exec/${Id}/start`, { Detach: true })).status, 409);
    process.kill(during.Pid, 'SIGKILL');
    const after = await eventually('it has ended', async () => {
      const view = await inspect(Id);
      return view.Running ? undefined : view;
    });
    assert.equal(after.ExitCode, 137);
    assert.equal((await engine().api('POST', `/exec/${Id}/start`, { Detach: true })).status, 409);
  });

  test('the end of the container ends its execs', async () => {
    await host();
    const running = docker('exec', 'host', 'sh', '-c', 'echo begun; sleep 1000');
    await eventually('it runs', async () => (await docker.ok('exec', 'host', 'ps')).includes('sleep 1000\n'), {
      every: 50,
    }).catch(() => undefined);
    await docker.ok('kill', 'host');
    const result = await running;
    assert.equal(result.code, 137);
  });

  test('many at once', async () => {
    await host();
    const outputs = await Promise.all(
      Array.from({ length: 12 }, (_, at) => docker.ok('exec', 'host', 'echo', String(at))),
    );
    assert.deepEqual(
      outputs,
      Array.from({ length: 12 }, (_, at) => String(at)),
    );
  });

  test('events name the exec and its exit code', async () => {
    await host();
    const id = await docker.field('host', '{{.Id}}');
    await docker('exec', 'host', 'sh', '-c', 'exit 3');
    const events = await docker.ok(
      'events',
      '--since=0',
      '--until',
      String(Date.now() / 1000),
      `--filter=container=${id}`,
      '--filter=event=exec_create',
      '--filter=event=exec_start',
      '--filter=event=exec_die',
      '--format={{.Action}} {{.Actor.Attributes.exitCode}}',
    );
    assert.deepEqual(events.split('\n'), [
      'exec_create: sh -c exit 3 <no value>',
      'exec_start: sh -c exit 3 <no value>',
      'exec_die 3',
    ]);
  });
});
