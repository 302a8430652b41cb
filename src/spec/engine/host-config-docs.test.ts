import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';

const read = (path: string) => readFile(new URL(path, import.meta.url), 'utf8');

/** Names of the fields of an exported interface, in order. */
function fieldsOf(source: string, name: string): string[] {
  const body = source.slice(source.indexOf(`export interface ${name} {`));
  const lines = body.slice(0, body.indexOf('\n}\n')).split('\n');
  return lines.flatMap((line) => /^ {2}([A-Z][A-Za-z]*)\??:/.exec(line)?.[1] ?? []);
}

/** The cells of the rows of fields in the table below a heading. */
function rowsOf(document: string, heading: string): string[][] {
  const part = document.slice(document.indexOf(`\n## ${heading}\n`) + 1);
  const end = part.indexOf('\n## ');
  const lines = (end < 0 ? part : part.slice(0, end)).split('\n');
  const rows = lines.filter((line) => line.startsWith('| `'));
  return rows.map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')));
}

test('docs/host-config.md says of every field of Config and HostConfig what it does, in the order of the types', async () => {
  const [source, document] = await Promise.all([read('./container.ts'), read('../../../docs/host-config.md')]);
  for (const [type, heading] of [
    ['ContainerConfig', 'Config'],
    ['HostConfig', 'HostConfig'],
  ] as const) {
    const rows = rowsOf(document, heading);
    assert.deepEqual(
      rows.map(([, field]) => field),
      fieldsOf(source, type),
    );
    assert.ok(rows.length > 20);
    for (const [, field, , what] of rows) assert.notEqual(what, '', String(field));
  }
});
