/** What builds have of their clients and of the host only when it is allowed: agents, devices, commands without the sandbox. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { must, run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { startAgent } from './_agent.ts';
import { folder, lines } from './_build-folder.ts';
import { buildxOf } from './_buildx.ts';
import { busybox } from './_docker.ts';

const own = mkdtempSync(join(tmpdir(), 'gt-allowed-'));
after(() => rm(own, { recursive: true, force: true }));
const config = join(own, 'daemon.json');
await writeFile(config, JSON.stringify({ builder: { entitlements: { 'security-insecure': true } } }));
await writeFile(
  join(own, 'toy.yaml'),
  'cdiVersion: "0.6.0"\nkind: example.com/toy\ndevices:\n  - name: one\n    containerEdits:\n      env: ["TOY=one"]\n',
);

const flags = [`--config-file=${config}`, `--cdi-spec-dir=${own}`];

engineSuite('builds that are allowed more', { prepare: withBuildx, flags }, (engine) => {
  const { docker, build } = buildxOf(engine);

  test('a command asks the agent of the client, and nothing of it stays', async (t) => {
    const agent = await startAgent(t);
    const context = await folder(t, {
      Dockerfile: lines(
        'FROM scratch AS tools',
        'COPY root /',
        'RUN --mount=type=ssh ["/usr/bin/ssh-add", "-l"]',
        `FROM ${busybox}`,
        'RUN --mount=type=ssh,id=other,target=/run/agent,mode=0666,uid=5 ls -ln /run/agent; echo "sock=$SSH_AUTH_SOCK"',
        'RUN --mount=type=ssh,id=nobody ls "$SSH_AUTH_SOCK" || echo nobody-there; ls -A /run > /left',
        'COPY --from=tools /usr/bin/ssh-add /tool',
      ),
    });
    for (const path of await filesOf('/usr/bin/ssh-add')) {
      mkdirSync(join(context, 'root', dirname(path)), { recursive: true });
      copyFileSync(path, join(context, 'root', path));
    }
    const { code, stderr } = await build(context, `--ssh=default=${agent}`, `--ssh=other=${agent}`, '--tag=agent:1');
    assert.equal(code, 0, stderr);
    assert.match(stderr, /256 SHA256:\S+ planted-comment \(ED25519\)/);
    assert.match(stderr, /srw-rw-rw- +1 5 +0 .*\/run\/agent/);
    assert.match(stderr, /sock=\/run\/agent/);
    assert.match(stderr, /ls: \/run\/buildkit\/ssh_agent\.0: No such file or directory/);
    assert.equal(await docker.ok('run', '--rm', 'agent:1', 'sh', '-c', 'cat /left; ls -A /run'), '');
    // The own command line, with a socket and with a key that it signs with itself.
    const key = join(own, 'key');
    await must('ssh-keygen', ['-q', '-N', '', '-t', 'ed25519', '-C', 'in-a-file', '-f', key]);
    const [program, ...first] = gantryProgram;
    const words = ['build', '--progress=plain', '--no-cache', `--ssh=default=${key}`, `--ssh=other=${agent}`, context];
    const gantry = await run(program, [...first, ...words], { env: engine().clientEnv() });
    assert.equal(gantry.code, 0, gantry.stderr);
    assert.match(gantry.stderr, /256 SHA256:\S+ in-a-file \(ED25519\)/);
    const required = await folder(t, {
      Dockerfile: lines(`FROM ${busybox}`, 'RUN --mount=type=ssh,id=gone,required=true true'),
    });
    const refused = await build(required, `--ssh=default=${agent}`);
    assert.equal(refused.code, 1);
    if (!isOracle()) assert.match(refused.stderr, /ssh agent gone: the client forwards none: use --ssh/);
  });

  test('a command without the sandbox needs the word of both sides', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(
        '# syntax=docker/dockerfile:1-labs',
        `FROM ${busybox}`,
        'RUN --security=insecure grep CapEff /proc/self/status | tee /caps',
      ),
    });
    if (isOracle()) return;
    const refused = await build(context);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /security\.insecure is not allowed/);
    const { code, stderr } = await build(context, '--allow=security.insecure', '--tag=insecure:1');
    assert.equal(code, 0, stderr);
    const caps = await docker.ok('run', '--rm', 'insecure:1', 'cat', '/caps');
    const privileged = await docker.ok('run', '--rm', '--privileged', busybox, 'grep', 'CapEff', '/proc/self/status');
    assert.equal(caps, privileged);
  });

  test('the network of the host needs the word of the client', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(`FROM ${busybox}`, 'RUN --network=host ip -o link | wc -l > /links'),
    });
    const refused = await build(context);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /network\.host is not allowed/);
    for (const option of ['--allow=network.host', '--network=host']) {
      const { code, stderr } = await build(context, option, '--no-cache');
      assert.equal(code, 0, stderr);
    }
  });

  test('devices of the host come by their descriptions', {
    skip: isOracle() && 'dockerd here knows no descriptions of devices',
  }, async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(
        '# syntax=docker/dockerfile:1-labs',
        `FROM ${busybox}`,
        'RUN --device=example.com/toy=one echo "$TOY" > /toy',
      ),
    });
    const refused = await build(context);
    assert.match(refused.stderr, /device is not allowed/);
    const { code, stderr } = await build(context, '--allow=device=example.com/toy=one', '--tag=toy:1');
    assert.equal(code, 0, stderr);
    assert.equal(await docker.ok('run', '--rm', 'toy:1', 'cat', '/toy'), 'one');
  });
});

/** A program and the libraries that it needs. */
async function filesOf(program: string): Promise<string[]> {
  const listed = await must('ldd', [program]);
  return [program, ...[...listed.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path ?? '')];
}
