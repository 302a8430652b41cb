import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { repository } from '../support/docker-client.ts';
import { run } from '../support/run.ts';
import { onlyLong } from '../support/skip.ts';

test("quickstart runs on Debian's 6.1 kernel with cgroup v2", { skip: onlyLong() }, async () => {
  const guest = join(repository, 'tools/guest.sh');
  const { code, stdout, stderr } = await run(guest, ['./gantry quickstart'], { timeout: 880_000 });
  assert.match(stdout, /guest: Linux 6\.1\./, stderr);
  assert.equal(code, 0, `${stdout.slice(-6000)}\n${stderr}`);
});
