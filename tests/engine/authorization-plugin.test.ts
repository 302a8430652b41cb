import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import http from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle, startEngine } from '../support/engine.ts';
import { describePlugins } from '../support/volume-plugin.ts';
import { needsRoot } from '../support/skip.ts';
import { eventually } from '../support/wait.ts';

interface Question {
  readonly RequestMethod: string;
  readonly RequestUri: string;
  readonly RequestBody?: string;
  readonly ResponseStatusCode?: number;
  readonly ResponseBody?: string;
}

/** A plugin of the test's own: it denies what `denies` says, and notes what it is asked. */
class Plugin implements AsyncDisposable {
  readonly requests: Question[] = [];
  readonly responses: Question[] = [];
  denies: (question: Question, about: 'Req' | 'Res') => boolean = () => false;
  readonly #server = http.createServer((request, response) => {
    void request.toArray().then((chunks: Buffer[]) => {
      const text = Buffer.concat(chunks).toString();
      response.end(JSON.stringify(this.#answer(request.url ?? '', text)));
    });
  });

  listen(path: string): Promise<void> {
    return new Promise((resolve) => this.#server.listen(path, resolve));
  }

  #answer(url: string, text: string): unknown {
    if (url === '/Plugin.Activate') return { Implements: ['authz'] };
    const question = JSON.parse(text) as Question;
    const about = url === '/AuthZPlugin.AuthZReq' ? 'Req' : 'Res';
    (about === 'Req' ? this.requests : this.responses).push(question);
    return this.denies(question, about) ? { Allow: false, Msg: 'because' } : { Allow: true };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

test('authorization plugins decide about requests and answers', { skip: needsRoot() }, async (t) => {
  await using engine = await startEngine();
  const image = await engine.load('busybox');
  await engine.stop();
  await using first = new Plugin();
  await using second = new Plugin();
  const sockets = { first: join(engine.folder, 'first.sock'), second: join(engine.folder, 'second.sock') };
  await first.listen(sockets.first);
  await second.listen(sockets.second);
  await describePlugins(engine, sockets);
  const file = join(engine.folder, 'daemon.json');
  const configure = (names: readonly string[]) => writeFile(file, JSON.stringify({ 'authorization-plugins': names }));
  await configure(['first', 'second']);
  await engine.start([`--config-file=${file}`]);

  await t.test('what they admit works, streams too, and they see it', async () => {
    assert.equal(await engine.dockerOk(['run', '--rm', '-i', image, 'cat'], { input: 'hello\n' }), 'hello');
    const create = first.requests.find(({ RequestUri }) => RequestUri.includes('/containers/create'));
    const body = JSON.parse(Buffer.from(create?.RequestBody ?? '', 'base64').toString()) as { Image: string };
    assert.deepEqual([create?.RequestMethod, body.Image], ['POST', image]);
    assert.ok(second.requests.some(({ RequestUri }) => RequestUri.endsWith('/start')));
    const made = first.responses.find(({ RequestUri }) => RequestUri.includes('/containers/create'));
    assert.equal(made?.ResponseStatusCode, 201);
    assert.match(Buffer.from(made?.ResponseBody ?? '', 'base64').toString(), /"Id":"[0-9a-f]{64}"/);
    await eventually('the end of the attached stream is told', () =>
      first.responses.some(({ RequestUri }) => RequestUri.includes('/attach')),
    );
  });

  await t.test('a denial of either stops the request, with its name', async () => {
    second.denies = ({ RequestUri }, about) => about === 'Req' && RequestUri.includes('/containers/create');
    const { code, stderr } = await engine.docker(['create', '--name=denied', image]);
    assert.equal(code, 1);
    assert.match(stderr, /authorization denied by plugin second: because/);
    const answer = await engine.api('POST', '/containers/create?name=denied', { Image: image });
    assert.deepEqual(
      [answer.status, answer.json()],
      [403, { message: 'authorization denied by plugin second: because' }],
    );
    second.denies = () => false;
    assert.equal(await engine.dockerOk(['ps', '-aq', '--filter=name=denied']), '');
  });

  await t.test('a denied answer is not seen', async () => {
    first.denies = ({ RequestUri }, about) => about === 'Res' && RequestUri.endsWith('/info');
    const answer = await engine.api('GET', '/info');
    assert.deepEqual(
      [answer.status, answer.json()],
      [403, { message: 'authorization denied by plugin first: because' }],
    );
    first.denies = () => false;
    assert.equal((await engine.api('GET', '/info')).status, 200);
  });

  await t.test('info names them', async () => {
    const { Plugins, SecurityOptions } = (await engine.api('GET', '/info')).json<{
      Plugins: { Authorization: string[] };
      SecurityOptions: string[];
    }>();
    assert.deepEqual(Plugins.Authorization, ['first', 'second']);
    assert.ok(SecurityOptions.length > 0);
  });

  await t.test('a reload changes who is asked', async () => {
    await configure([]);
    process.kill(engine.pid, 'SIGHUP');
    await eventually('nobody is asked', async () => {
      const before = first.requests.length;
      await engine.api('GET', '/_ping');
      return first.requests.length === before;
    });
    await configure(['second']);
    process.kill(engine.pid, 'SIGHUP');
    await eventually('the second is asked', async () => {
      const before = second.requests.length;
      await engine.api('GET', '/_ping');
      return second.requests.length > before;
    });
    const before = first.requests.length;
    await engine.api('GET', '/_ping');
    assert.equal(first.requests.length, before);
  });

  await t.test('an engine whose plugin is missing does not start', { skip: isOracle() }, async () => {
    await engine.stop();
    await assert.rejects(engine.start(['--authorization-plugin=nobody']), /authorization plugin nobody.*not found/);
    await engine.start([]);
  });
});
