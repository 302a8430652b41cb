import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { repository } from '../support/docker-client.ts';
import { must, run } from '../support/run.ts';
import { onlyLong } from '../support/skip.ts';

/**
 * Runs in a mount namespace of its own: a root with nothing but Debian's base system, set up over the host's network,
 * then quickstart in a network of its own.
 */
const script = `
set -eu
root=$1
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t tmpfs none "$root/run"
if [ -d /sys/fs/cgroup/unified ]; then umount "$root/sys/fs/cgroup/unified"; fi
cd /
chroot "$root" sh -c 'cd /gantry && ./gantry setup'
# The base system has no \`ip\`: this host's makes the loopback interface of that network work.
unshare --net sh -c 'ip link set lo up && exec chroot "$0" sh -c "cd /gantry && ./gantry quickstart"' "$root"
`;

test('setup and quickstart on a Debian with nothing but its base system', { skip: onlyLong() }, async () => {
  const root = await mkdtemp(join(tmpdir(), 'gantry-fresh-'));
  try {
    await makeBaseSystem(root);
    const tree = join(root, 'gantry');
    await mkdir(tree);
    const copy = 'cd "$1" && git ls-files -z | tar --null -cf - -T - | tar -C "$2" -xf -';
    await must('sh', ['-c', copy, 'sh', repository, tree]);
    const certificates = await trustedCertificates(root);
    const result = await run('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', root], {
      timeout: 880_000,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', ...certificates },
    });
    assert.equal(result.code, 0, `${result.stdout.slice(-4000)}\n${result.stderr.slice(-6000)}`);
    for (const name of ['crun', 'conmon', 'busybox-static', 'npm'])
      assert.match(result.stderr, new RegExp(`  ${name}: `));
    assert.match(result.stdout, /docker/i);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

/** Debian's smallest system with apt, and this host's way to its archive. */
async function makeBaseSystem(root: string): Promise<void> {
  const options = ['--quiet', '--mode=root', '--variant=minbase', '--format=tar'];
  await must('unshare', ['--mount', 'mmdebstrap', ...options, 'bookworm', `${root}.tar`], { timeout: 600_000 });
  await must('tar', ['-xf', `${root}.tar`, '-C', root, '--exclude=./dev/*']);
  await rm(`${root}.tar`);
  await must('cp', ['/etc/resolv.conf', join(root, 'etc/resolv.conf')]);
  await must('sh', ['-c', 'cp /etc/apt/apt.conf.d/99* "$1/etc/apt/apt.conf.d/" 2>/dev/null || true', 'sh', root]);
}

/** Certificates that this host trusts beside the usual ones (a proxy's), for npm and Node inside. */
async function trustedCertificates(root: string): Promise<Record<string, string>> {
  const file = process.env['NODE_EXTRA_CA_CERTS'];
  if (file === undefined) return {};
  await must('cp', [file, join(root, 'extra-certificates.crt')]);
  return { NODE_EXTRA_CA_CERTS: '/extra-certificates.crt', NPM_CONFIG_CAFILE: '/extra-certificates.crt' };
}
