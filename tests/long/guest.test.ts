import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { dockerClient, repository } from '../support/docker-client.ts';
import { testImage } from '../support/images.ts';
import { must, type RunResult, run } from '../support/run.ts';
import { onlyLong } from '../support/skip.ts';

const guest = join(repository, 'tools/guest.sh');
const seconds = 3_000;

/** Files of this host that are in the guest, too: `file:path`. */
async function runInGuest(command: string, added: readonly string[] = []): Promise<RunResult> {
  const env = { GUEST_ADD: added.join(' '), GUEST_TIMEOUT: String(seconds) };
  return run(guest, [command], { timeout: (seconds + 300) * 1000, env });
}

test("quickstart runs on Debian's 6.1 kernel with cgroup v2", { skip: onlyLong() }, async () => {
  const { code, stdout, stderr } = await runInGuest('./gantry quickstart');
  assert.match(stdout, /guest: Linux 6\.1\./, stderr);
  assert.equal(code, 0, `${stdout.slice(-6000)}\n${stderr}`);
});

/** Runs files of tests/engine with the docker client, 20 times as patient: an emulated processor is that much slower. */
async function testInGuest(names: readonly string[]): Promise<void> {
  const client = spawnSync('sh', ['-c', 'command -v "$0"', dockerClient()], { encoding: 'utf8' }).stdout.trim();
  const { archive } = await testImage('busybox');
  const cache = archive.replace(/\/images\/[^/]*$/, '');
  await must('test', ['-x', client]);
  const files = names.map((name) => `tests/engine/${name}.test.ts`).join(' ');
  const runTests = `node tools/run-tests.ts --concurrency=1 --timeout=${seconds} ${files}`;
  const { code, stdout, stderr } = await runInGuest(
    `XDG_CACHE_HOME=/cache GANTRY_TEST_PATIENCE=20 PATH=/gantry/node_modules/.bin:$PATH ${runTests}`,
    [
      `${client}:/usr/local/bin/docker`,
      `${cache}/images/busybox-1.tar:/cache/gantry-test/images/busybox-1.tar`,
      `${cache}/images/busybox-1.layer:/cache/gantry-test/images/busybox-1.layer`,
    ],
  );
  assert.match(stdout, /guest: Linux 6\.1\./, stderr);
  assert.equal(code, 0, `${stdout.slice(-8000)}\n${stderr}`);
}

// By what depends on the kernel most; several boots, so that a failure costs one of them.
for (const [what, names] of [
  ['a little of everything', ['smoke']],
  ['limits, pause, update and stats', ['update', 'pause', 'stats', 'limits']],
  ['layers and sizes of layers', ['storage', 'storage-limit']],
] as const) {
  test(`${what}: engine tests pass on Debian's 6.1 kernel with cgroup v2`, { skip: onlyLong() }, () =>
    testInGuest(names),
  );
}
