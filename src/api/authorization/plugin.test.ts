import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { activatePlugin } from './plugin.ts';

type Answer = readonly [status: number, body: string];

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'authz-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

/** A plugin at a socket: `answers` by path; what it was asked is noted. */
async function servePlugin(t: TestContext, path: string, answers: Record<string, Answer>): Promise<string[]> {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    void request.toArray().then((chunks: Buffer[]) => {
      asked.push(`${request.method} ${request.url} ${Buffer.concat(chunks).toString().trim()}`);
      const [status, body] = answers[request.url ?? ''] ?? [404, 'no such method'];
      response.writeHead(status).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(() => new Promise((resolve) => server.close(resolve)));
  return asked;
}

const activated: Answer = [200, '{"Implements":["authz"]}'];
const question = { RequestMethod: 'GET', RequestUri: '/info', RequestHeaders: {} };
const signal = new AbortController().signal;

test('a plugin is activated once and asked by its methods', async (t) => {
  const path = join(await folderOf(t), 'p.sock');
  const asked = await servePlugin(t, path, {
    '/Plugin.Activate': activated,
    '/AuthZPlugin.AuthZReq': [200, '{"Allow":true}'],
    '/AuthZPlugin.AuthZRes': [200, '{"allow":false,"Msg":"not you"}'],
  });
  const plugin = await activatePlugin('p', { locate: async () => ({ kind: 'unix', path }) });
  assert.deepEqual(await plugin.askRequest(question, signal), { allow: true, message: '' });
  assert.deepEqual(await plugin.askResponse(question, signal), { allow: false, message: 'not you' });
  const text = JSON.stringify(question);
  assert.deepEqual(asked, [
    'POST /Plugin.Activate ',
    `POST /AuthZPlugin.AuthZReq ${text}`,
    `POST /AuthZPlugin.AuthZRes ${text}`,
  ]);
});

test('an answer that is no verdict is never an admission', async (t) => {
  const folder = await folderOf(t);
  const wrong: [Answer, RegExp][] = [
    [[200, ''], /no JSON/],
    [[200, '{"Allow":"yes"}'], /no verdict/],
    [[200, '{"Allow":1}'], /no verdict/],
    [[500, '{"Err":"out of order"}'], /AuthZReq: out of order/],
    [[403, 'go away'], /AuthZReq: go away/],
    [[200, `{"Allow":true,"Msg":"${'x'.repeat(2 << 20)}"}`], /too long/],
  ];
  for (const [index, [answer, reason]] of wrong.entries()) {
    const path = join(folder, `${index}.sock`);
    await servePlugin(t, path, { '/Plugin.Activate': activated, '/AuthZPlugin.AuthZReq': answer });
    const plugin = await activatePlugin('p', { locate: async () => ({ kind: 'unix', path }), pauses: [] });
    await assert.rejects(plugin.askRequest(question, signal), reason);
  }
  for (const text of ['{}', '[]', 'null', '7']) {
    const path = join(folder, `${text.codePointAt(0)}.sock`);
    await servePlugin(t, path, { '/Plugin.Activate': activated, '/AuthZPlugin.AuthZReq': [200, text] });
    const plugin = await activatePlugin('p', { locate: async () => ({ kind: 'unix', path }), pauses: [] });
    assert.equal((await plugin.askRequest(question, signal)).allow, false);
  }
});

test('a plugin that starts late is waited for, one that is none is refused', async (t) => {
  const path = join(await folderOf(t), 'p.sock');
  const locate = async () => ({ kind: 'unix', path }) as const;
  await assert.rejects(
    activatePlugin('p', { locate, pauses: [1, 1] }),
    /cannot use the authorization plugin p: .*ENOENT/,
  );
  const waiting = activatePlugin('p', { locate, pauses: Array.from({ length: 2000 }, () => 5) });
  await servePlugin(t, path, { '/Plugin.Activate': activated });
  assert.equal((await waiting).name, 'p');
  const other = `${path}2`;
  await servePlugin(t, other, { '/Plugin.Activate': [200, '{"Implements":["VolumeDriver"]}'] });
  const locateOther = async () => ({ kind: 'unix', path: other }) as const;
  await assert.rejects(activatePlugin('q', { locate: locateOther }), /plugin q: it does not implement authz/);
});
