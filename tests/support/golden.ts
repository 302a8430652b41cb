import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';

/** One case of a golden file. */
export interface GoldenCase {
  readonly title: string;
  readonly input: string;
  readonly output: string;
}

/**
 * Makes a test of each case of a file: what `run` makes of its input must be its output. A case is
 *
 *     ==== title
 *     the input, any number of lines
 *     ----
 *     the output
 *
 * With ` (escaped)` at the end of its title the input's `\n`, `\r`, `\t`, `\\`, `\uXXXX` stand for those characters, and
 * line ends for nothing. What is above the first case is for readers. With GANTRY_UPDATE_GOLDEN=1 the outputs are written
 * anew: read the difference before it is committed.
 */
export function goldenTests(file: URL, run: (input: string) => string): void {
  const text = readFileSync(file, 'utf8');
  const start = text.indexOf('==== ');
  const cases = text
    .slice(start)
    .split(/^==== /m)
    .slice(1)
    .map(parseCase);
  if (process.env['GANTRY_UPDATE_GOLDEN'] === '1') {
    const written = cases.map((one) => printCase({ ...one, output: run(inputOf(one)) }));
    writeFileSync(file, text.slice(0, start) + written.join(''));
    return;
  }
  const titles = new Set<string>();
  for (const one of cases) {
    assert.ok(!titles.has(one.title), `two cases have the title ${one.title}`);
    titles.add(one.title);
    test(one.title, () => assert.equal(run(inputOf(one)).trimEnd(), one.output));
  }
}

function parseCase(text: string): GoldenCase {
  const titleEnd = text.indexOf('\n');
  const parting = text.indexOf('\n----\n', titleEnd);
  assert.ok(parting >= 0, `no ---- in the case ${text.slice(0, titleEnd)}`);
  return {
    title: text.slice(0, titleEnd),
    input: text.slice(titleEnd + 1, Math.max(parting, titleEnd + 1)),
    output: text.slice(parting + 6).trimEnd(),
  };
}

const printCase = ({ title, input, output }: GoldenCase): string =>
  `==== ${title}\n${input}\n----\n${output.trimEnd()}\n\n`;

function inputOf({ title, input }: GoldenCase): string {
  if (!title.endsWith(' (escaped)')) return input;
  return input
    .replaceAll('\n', '')
    .replace(/\\(u[0-9a-fA-F]{4}|.)/g, (escape, code: string) =>
      code === '\\' ? '\\' : (JSON.parse(`"${escape}"`) as string),
    );
}
