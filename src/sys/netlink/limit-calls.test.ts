import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { check } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';
import { closeNetNamespace } from '../namespace/net.ts';
import { openNamespace } from './calls.ts';
import { limitLinks } from './limit-calls.ts';
import { addBridge, deleteLink, dumpLinks, linksIn } from './link.ts';
import { linkIndex } from './plug.ts';
import { netlinkFamily, NetlinkSocket } from './socket.ts';
import { addHooks, redirect, removeBucket, removeRedirect, setBucket } from './traffic.ts';

const skip = process.getuid?.() === 0 ? false : 'network namespaces need root';

test('rates above 32 bits travel in an attribute of their own', () => {
  const bucket = { burst: 100_000, queue: 200_000 };
  const small = Buffer.from(setBucket(3, { rate: 0xffffffff, ...bucket }).body);
  const large = Buffer.from(setBucket(3, { rate: 0x1_0000_0001, ...bucket }).body);
  assert.equal(large.length, small.length + 12);
  assert.ok(large.includes(Buffer.from([12, 0, 4, 0, 1, 0, 0, 0, 1, 0, 0, 0])));
});

test('limits of a cable come, change and go, and leave nothing', { skip }, () => {
  const libc = openLibrary(null, { unshare: { arguments: ['i32'], return: 'i32' } });
  check(libc.unshare(0x40000000), 'unshare');
  using socket = new NetlinkSocket(netlinkFamily.route);
  socket.request([addBridge('br0', Uint8Array.of(2, 0x42, 1, 2, 3, 4))], 'bridge');
  const cable = { kind: 'cable', hostName: 'cable0', bridge: 'br0', isolated: false } as const;
  const link = { origin: cable, name: 'eth0', mac: undefined, addresses: [], mtu: 1500, sysctls: [] };
  const inside = openNamespace({ sysctls: {}, links: [link], routes: [] });
  try {
    const names = () => linksIn(socket.query(dumpLinks(), 'links')).map(({ name, kind }) => `${name} ${kind}`);
    const bucket = (rate: number) => ({ rate, burst: 20_000, queue: 40_000 });
    const limit = (sent?: number, received?: number) =>
      limitLinks([
        {
          name: 'cable0',
          helper: 'cable0r',
          sent: sent === undefined ? undefined : bucket(sent),
          received: received === undefined ? undefined : bucket(received),
        },
      ]);
    const index = linkIndex('cable0');
    const has = (message: Parameters<NetlinkSocket['request']>[0][number]) => {
      try {
        socket.request([message], 'look');
        return false;
      } catch (error) {
        return /EEXIST|ENOSPC/.test((error as { code?: string }).code ?? '');
      }
    };
    limit(1_000_000, 2_000_000);
    assert.ok(names().includes('cable0r ifb'));
    if (existsSync('/proc/sys/net/ipv6')) {
      // The path is that of the thread's own network namespace.
      assert.equal(readFileSync('/proc/thread-self/net/if_inet6', 'utf8').includes('cable0r'), false);
    }
    assert.ok(has(addHooks(index)) && has(redirect(index, linkIndex('cable0r'))));
    // Twice the same, and other values: the helper stays.
    const helper = linkIndex('cable0r');
    limit(1_000_000, 2_000_000);
    limit(5_000_000_000, 3_000_000);
    assert.equal(linkIndex('cable0r'), helper);
    // A helper that somebody removed comes back with a filter that leads to it.
    socket.request([deleteLink('cable0r')], 'removing the helper');
    limit(undefined, 2_000_000);
    assert.ok(names().includes('cable0r ifb'));
    assert.throws(() => socket.request([removeBucket(index)], 'no bucket'), { code: /ENOENT|EINVAL/ });
    limit(1_000_000);
    assert.equal(linkIndex('cable0r'), 0);
    assert.throws(() => socket.request([removeRedirect(index)], 'no filter'), { code: /ENOENT|EINVAL/ });
    socket.request([removeBucket(index)], 'the bucket is there');
    // A link that is gone takes its helper along.
    limit(undefined, 2_000_000);
    socket.request([deleteLink('cable0')], 'removing the cable');
    limit(1, 1);
    assert.deepEqual(
      names().filter((name) => name.startsWith('cable0')),
      [],
    );
  } finally {
    closeNetNamespace(inside);
  }
});
