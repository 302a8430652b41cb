/** A container swaps directories for links to the host's files while others copy into and out of it. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { tarOf } from '../support/tar.ts';
import { busybox, dockerOf } from './_docker.ts';

/** The number of attempts that the safety of copies is claimed for takes minutes: `./test --long`. */
const rounds = process.env['GANTRY_TEST_LONG'] === '1' ? 10_000 : 250;

engineSuite('copies and a container that swaps links', {}, (engine) => {
  const docker = dockerOf(engine);
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });

  function ask(method: string, path: string, body?: Buffer): Promise<{ status: number; bytes: Buffer }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; bytes: Buffer }>();
    const headers = body === undefined ? {} : { 'content-type': 'application/x-tar' };
    const call = request({ socketPath: engine().paths.socket, method, path, headers, agent }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      // An archive that breaks off is the swapper's due.
      const end = () => resolve({ status: answer.statusCode ?? 0, bytes: Buffer.concat(chunks) });
      answer.on('end', end).on('error', end).on('aborted', end);
    });
    call.on('error', reject);
    call.end(body);
    return promise;
  }

  test(`${rounds} copies in and out touch nothing of the host`, { timeout: 1_800_000 }, async () => {
    const canary = join(engine().folder, 'canary');
    const secret = 'a secret of the host';
    await mkdir(canary);
    await writeFile(join(canary, 'file'), secret);
    try {
      const swap = [
        'mkdir /w; cd /w; while :',
        `do rm -rf dir; ln -s ${canary} dir; rm -rf dir; ln -s ../../../../../../../..${canary} dir; rm -rf dir; mkdir dir`,
        `ln -s ${canary}/file link; mv link dir/file; echo inside > real; mv real dir/file; done`,
      ];
      await docker.ok('run', '-d', '--name', 'one', busybox, 'sh', '-c', swap.join('; '));
      const base = '/v1.44/containers/one/archive?path=';
      const archive = tarOf([
        { name: 'file', body: 'dead' },
        { name: 'new', body: 'dead' },
      ]);
      const below = tarOf([
        { name: 'dir/file', body: 'dead' },
        { name: 'dir/sub/new', body: 'dead' },
      ]);
      const seen = new Map<number, number>();
      for (let round = 0; round < rounds; round++) {
        const answers = await Promise.all([
          ask('PUT', `${base}/w/dir`, archive),
          ask('PUT', `${base}/w`, below),
          ask('GET', `${base}/w/dir/file`),
          ask('GET', `${base}/w/dir/.`),
        ]);
        for (const { status, bytes } of answers) {
          assert.ok(!bytes.includes(secret), 'the archive has a file of the host');
          seen.set(status, (seen.get(status) ?? 0) + 1);
        }
      }
      assert.ok((seen.get(200) ?? 0) > rounds / 2, `hardly a copy succeeded: ${JSON.stringify([...seen])}`);
      assert.deepEqual(await readdir(canary), ['file']);
      assert.equal(await readFile(join(canary, 'file'), 'utf8'), secret);
      assert.equal((await engine().api('GET', '/_ping')).status, 200);
    } finally {
      agent.destroy();
      await rm(canary, { recursive: true });
    }
  });
});
