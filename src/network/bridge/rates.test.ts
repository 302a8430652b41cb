import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LinkLimits } from '../../sys/netlink/limit-calls.ts';
import { silentLogger } from '../../base/log.ts';
import { BridgeRates, isHelperName, type NetworkRates } from './rates.ts';

/** A kernel that notes what it is asked for, and refuses while `fails` is set. */
function fakeKernel(rates: NetworkRates, owned = true) {
  const links = new Map<string, string>();
  const asked: string[] = [];
  const kernel = { links, asked, fails: undefined as Error | undefined };
  const shown = ({ sent, received }: LinkLimits) => `${sent?.rate ?? '-'} ${received?.rate ?? '-'}`;
  const bridge = new BridgeRates({
    bridge: 'br',
    owned,
    prefix: 'gv',
    mtu: 1500,
    rates,
    log: silentLogger,
    calls: {
      async limit(requests) {
        for (const request of requests) {
          asked.push(request.name);
          if (kernel.fails !== undefined) throw kernel.fails;
          links.set(request.name, shown(request));
        }
      },
      async remove(names) {
        asked.push(...names);
      },
    },
  });
  return { ...kernel, kernel, bridge };
}

const lacking = Object.assign(new Error('limiting: no such file'), { code: 'ENOENT' });

describe('the bandwidth of a bridge network', () => {
  it('asks nothing of the kernel where there is no limit', async () => {
    const { bridge, asked } = fakeKernel({ each: {}, total: {} });
    await bridge.limit('gv1', {});
    await bridge.limitBridge();
    await bridge.forget('gv1');
    assert.deepEqual(asked, []);
  });

  it("is the endpoint's own, else the network's, and follows it", async () => {
    const { bridge, links } = fakeKernel({ each: { in: 5000, out: 6000 }, total: { in: 7000 } });
    await bridge.limit('gv1', { in: 2000 });
    await bridge.limit('gv2', { in: null, out: null });
    await bridge.limitBridge();
    assert.deepEqual(Object.fromEntries(links), { gv1: '2000 6000', br: '7000 -' });
    await bridge.change({ each: { out: 9000 }, total: {} });
    assert.deepEqual(Object.fromEntries(links), { gv1: '2000 9000', br: '- -' });
    assert.deepEqual(bridge.helpers(), ['gv1r']);
    await bridge.limit('gv1', { out: null });
    assert.equal(links.get('gv1'), '- -');
    assert.deepEqual(bridge.helpers(), []);
  });

  it('stays as it was where the kernel lacks a part, and says so', async () => {
    const { bridge, links, kernel } = fakeKernel({ each: {}, total: {} });
    await bridge.limit('gv1', { in: 2000 });
    kernel.fails = lacking;
    const words = {
      code: 'unavailable',
      message: /^bandwidth cannot be limited: the kernel lacks one of sch_tbf, .* and ifb: limiting/,
    };
    await assert.rejects(bridge.limit('gv1', { in: 3000 }), words);
    await assert.rejects(bridge.change({ each: { out: 1000 }, total: {} }), words);
    kernel.fails = undefined;
    await bridge.restore();
    assert.deepEqual(Object.fromEntries(links), { gv1: '2000 -', br: '- -' });
  });

  it('is restored for all cables at a boot, those without a limit among them', async () => {
    const { bridge, links } = fakeKernel({ each: { in: 5000 }, total: {} });
    bridge.adopt('gv1', {});
    bridge.adopt('gv2', { in: null });
    await bridge.restore();
    assert.deepEqual(Object.fromEntries(links), { br: '- -', gv1: '5000 -', gv2: '- -' });
    assert.deepEqual(bridge.helpers(), ['gv1r']);
  });

  it('leaves bridges of others alone', async () => {
    const { bridge, asked } = fakeKernel({ each: {}, total: {} }, false);
    await bridge.restore();
    assert.deepEqual(asked, []);
  });

  it('knows its helpers by name', () => {
    assert.ok(isHelperName('gv0123abcr', 'gv'));
    for (const name of ['gv0123abc', 'gv0123abct', 'gx0123abcr', 'gv0123abgr'])
      assert.ok(!isHelperName(name, 'gv'), name);
  });
});
