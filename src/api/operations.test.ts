import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { FakeContainer, fakeServices } from './_fakes.ts';
import { matchRoute } from './http/router.ts';
import { hijackedOperations, operations } from './operations.ts';
import { allHandlers } from './routes/all.ts';

const handlers = allHandlers(fakeServices(new FakeContainer()));

test('the table in docs/api.md lists every operation, and says truly which ones are here', async () => {
  const text = await readFile(new URL('../../docs/api.md', import.meta.url), 'utf8');
  const listed = text.split('\n').filter((line) => line.startsWith('| ') && line.includes('`'));
  const expected = Object.entries(operations).map(
    ([id, [method, path]]) => `| ${id} | ${method} | \`${path}\` | ${handlers.has(id as never) ? 'yes' : 'no'} |`,
  );
  assert.deepEqual(listed, expected);
});

test('every operation is found by its own path, also where another template would fit', () => {
  for (const [id, [method, template]] of Object.entries(operations)) {
    const path = template.replace(/\{(name|id)\.\.\.\}/, 'some/name:tag').replace(/\{[a-z]+\}/g, 'json');
    assert.equal(matchRoute(method, path)?.operation, id, path);
  }
  assert.equal(matchRoute('GET', '/images/json')?.operation, 'ImageList');
  assert.equal(matchRoute('GET', '/images/json/json')?.operation, 'ImageInspect');
  assert.equal(matchRoute('GET', '/images/get/json')?.params.get('name'), 'get');
  assert.equal(matchRoute('GET', '/networks/')?.operation, 'NetworkList');
  assert.equal(matchRoute('POST', '/containers/a/b/start'), undefined);
  assert.equal(matchRoute('PATCH', '/containers/json'), undefined);
  assert.equal(matchRoute('GET', ''), undefined);
});

test('what can be hijacked has a handler', () => {
  for (const operation of hijackedOperations) assert.ok(handlers.has(operation), operation);
});
