/** Archives in other forms: sparse members in, compressed on their way out. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

engineSuite('forms of archives', {}, (engine) => {
  const docker = dockerOf(engine);

  test('sparse members in each of GNU tar’s formats become files with holes', async () => {
    const folder = await mkdtemp(join(engine().folder, 'host-'));
    const make =
      'truncate -s 64M s; for n in 3 9 20 33 41 50; do echo part $n | dd of=s bs=1M seek=$n conv=notrunc status=none; done; ' +
      'tar --format=gnu -Scf old.tar s; for v in 0.0 0.1 1.0; do tar --format=posix --sparse-version=$v -Scf $v.tar s; done; ' +
      'sha256sum < s';
    const [sum = ''] = (await must('sh', ['-c', make], { cwd: folder })).split(' ');
    await docker.ok('run', '-d', '--name=sparse', busybox, 'sleep', '1000');
    // Docker reads those of PAX alone.
    for (const name of [...(isOracle() ? [] : ['old']), '0.0', '0.1', '1.0']) {
      await must('sh', ['-c', `docker cp - sparse:/tmp < ${folder}/${name}.tar`], { env: engine().clientEnv() });
      const script = 'sha256sum < /tmp/s; stat -c %s /tmp/s; du -k /tmp/s; rm /tmp/s';
      const [hash = '', size, used = ''] = (await docker.ok('exec', 'sparse', 'sh', '-c', script)).split('\n');
      assert.deepEqual([hash.split(' ')[0], size], [sum, String(64 << 20)], name);
      assert.ok(Number.parseInt(used, 10) < 70_000, used);
    }
    await rm(folder, { recursive: true });
  });

  test('an archive comes compressed to who asks for it', async () => {
    await docker.ok('run', '-d', '--name=packed', busybox, 'sh', '-c', 'yes | head -c 3000000 > /big; sleep 1000');
    const fetched = async (accept: string) => {
      const url = 'http://engine/v1.44/containers/packed/archive?path=/big';
      const options = accept === '' ? [] : ['-H', `Accept-Encoding: ${accept}`];
      const head = await must('curl', ['-sD-', '-o/dev/null', ...options, '--unix-socket', engine().paths.socket, url]);
      return /^content-encoding: (\S+)/im.exec(head)?.[1] ?? 'none';
    };
    assert.equal(await fetched(''), 'none');
    assert.equal(await fetched('identity'), 'none');
    assert.equal(await fetched('gzip, deflate'), 'gzip');
    assert.equal(await fetched('gzip;q=0.5, deflate'), 'deflate');
    assert.equal(await fetched('gzip;q=0'), 'none');
    const script =
      'curl -s --compressed --unix-socket "$0" "http://engine/containers/packed/archive?path=/big" | tar xO | md5sum; ' +
      'yes | head -c 3000000 | md5sum';
    const [ours, theirs] = (await must('sh', ['-c', script, engine().paths.socket])).split('\n');
    assert.equal(ours, theirs);
  });
});
