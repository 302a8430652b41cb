/**
 * Floods: logs of any size, clients that ask and never read. Containers go on, memory stays within bounds, and the
 * engine answers others meanwhile. `--long` makes them as large as they get.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { dockerClient } from '../support/docker-client.ts';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

const isLong = process.env['GANTRY_TEST_LONG'] === '1';
const size = isLong
  ? { lineMiB: 1024, logMiB: 1024, attaches: 1000, readers: 200 }
  : { lineMiB: 64, logMiB: 64, attaches: 150, readers: 30 };
const timeout = isLong ? 900_000 : 120_000;
const mib = 1 << 20;
/** How much an engine may grow by while logs pass through it. */
const growth = 32 * mib;
/** A test machine is shared: what an answer may take there at most, all but one of a hundred. */
const slowestMs = 1000;

engineSuite('floods', {}, (engine) => {
  const docker = dockerOf(engine);
  const info = async () => (await engine().api('GET', '/info')).json<{ Gantry: { MemoryRss: number } }>();
  const memory = async () => (await info()).Gantry.MemoryRss;

  /** Asks for `/_ping` all the while that `work` takes; gives the time that all but one of a hundred answers took. */
  async function answering(work: () => Promise<unknown>): Promise<number> {
    const times: number[] = [];
    let over = false;
    const asking = (async () => {
      while (!over) {
        const began = performance.now();
        assert.equal((await engine().api('GET', '/_ping')).status, 200);
        times.push(performance.now() - began);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    try {
      await work();
    } finally {
      over = true;
    }
    await asking;
    return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0;
  }

  /** Clients that send a request and take nothing of the answer; not more at once than wait to be accepted. */
  async function stalled(count: number, request: string): Promise<Socket[]> {
    const sockets: Socket[] = [];
    while (sockets.length < count) {
      const socket = await eventually('the engine takes one more', async () => {
        const connecting = connect(engine().paths.socket);
        await once(connecting, 'connect');
        return connecting;
      });
      socket.on('error', () => undefined);
      socket.write(request);
      socket.pause();
      sockets.push(socket);
    }
    return sockets;
  }

  /** Bytes that `docker logs` prints. */
  const printed = (name: string) =>
    must('sh', ['-c', '"$0" logs "$1" | wc -c', dockerClient(), name], { env: engine().clientEnv(), timeout });
  /** With its times a log is up to a third larger than what was printed; four files of this size are the default. */
  const keepsAll = ['--log-opt=max-size=256m', '--log-opt=max-file=8'];
  const started = (name: string, script: string) =>
    engine().dockerOk(['run', '-d', '--network=none', `--name=${name}`, ...keepsAll, busybox, 'sh', '-c', script], {
      timeout,
    });
  const waited = (name: string) => engine().dockerOk(['wait', name], { timeout });

  test('a line without an end, and a large log: written, read, at most 32 MiB more', async () => {
    const before = await memory();
    let most = 0;
    const sampling = setInterval(() => void memory().then((now) => (most = Math.max(most, now))), 100);
    const slow = await answering(async () => {
      await started('line', `head -c ${size.lineMiB}m /dev/zero | tr '\\0' x`);
      assert.equal(await waited('line'), '0');
      assert.equal(await printed('line'), String(size.lineMiB * mib));
      const lines = (size.logMiB * mib) / 128;
      await started('lines', `yes ${'y'.repeat(127)} | head -n ${lines}`);
      assert.equal(await waited('lines'), '0');
      assert.equal(await printed('lines'), String(lines * 128));
    });
    clearInterval(sampling);
    most = Math.max(most, await memory());
    assert.ok(most - before < growth, `${(most - before) >> 20} MiB more`);
    assert.ok(slow < slowestMs, `${slow} ms`);
  });

  test('readers of logs that stop reading hold neither the container nor the engine up', async () => {
    const before = await memory();
    await started('printing', `sleep 1; yes ${'z'.repeat(99)} | head -n 300000`);
    const follow = 'GET /containers/printing/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: engine\r\n\r\n';
    const readers = await stalled(size.readers, follow);
    const slow = await answering(async () => {
      assert.equal(await waited('printing'), '0');
      assert.equal(await printed('printing'), '30000000');
    });
    const grown = (await memory()) - before;
    for (const reader of readers) reader.destroy();
    assert.ok(grown < growth + size.readers * 2 * mib, `${grown >> 20} MiB more`);
    assert.ok(slow < slowestMs, `${slow} ms`);
  });

  test('attached clients that are abandoned', async () => {
    const before = await memory();
    await docker.ok(
      'run',
      '-di',
      '--network=none',
      '--name=shared',
      busybox,
      'sh',
      '-c',
      'read -r go; seq 1 400000; sleep 1000',
    );
    const attach =
      'POST /containers/shared/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: engine\r\n' +
      'Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n';
    const clients = await stalled(size.attaches, attach);
    await eventually(
      'all are attached',
      async () => {
        const told = await docker.ok('events', '--since=10m', '--until=0s', '--filter=event=attach', '--format=.');
        return told.split('\n').length >= size.attaches;
      },
      { timeout, every: 200 },
    );
    const fed = docker.background('attach', 'shared');
    const slow = await answering(async () => {
      await eventually(
        'one more is attached',
        async () => {
          const told = await docker.ok('events', '--since=10m', '--until=0s', '--filter=event=attach', '--format=.');
          return told.split('\n').length > size.attaches;
        },
        { timeout, every: 200 },
      );
      fed.type('go\n');
      await eventually('who reads has it all', () => fed.stdout().endsWith('\n400000\n'), { timeout, every: 100 });
    });
    const grown = (await memory()) - before;
    for (const client of clients) client.destroy();
    await docker.ok('kill', 'shared');
    await fed.end;
    assert.ok(grown < 128 * mib, `${grown >> 20} MiB more`);
    assert.ok(slow < slowestMs, `${slow} ms`);
  });

  test('readers of events that stop reading', async () => {
    await docker.ok('create', '--name=busy', `--label=long=${'x'.repeat(4000)}`, busybox, 'true');
    const before = await memory();
    const readers = await stalled(size.readers, 'GET /events?since=0 HTTP/1.1\r\nHost: engine\r\n\r\n');
    const slow = await answering(async () => {
      for (let round = 0; round < 300; round++) {
        await engine().api('POST', '/containers/busy/rename?name=idle');
        await engine().api('POST', '/containers/idle/rename?name=busy');
      }
    });
    const grown = (await memory()) - before;
    for (const reader of readers) reader.destroy();
    assert.ok(grown < growth + size.readers * 2 * mib, `${grown >> 20} MiB more`);
    assert.ok(slow < slowestMs, `${slow} ms`);
  });
});
