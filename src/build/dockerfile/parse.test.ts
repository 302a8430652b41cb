import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { startCpuClock } from '../../../tests/support/cpu.ts';
import { goldenTests } from '../../../tests/support/golden.ts';
import { printedDockerfile } from './_printed.ts';
import { DockerfileError } from './error.ts';
import { parseDockerfile, parseTrigger } from './parse.ts';
import { printedRange } from './range-text.ts';
import { limits } from './source.ts';

const parse = (text: string) => parseDockerfile({ name: 'Dockerfile', text });

function printed(text: string): string {
  try {
    return printedDockerfile(parse(text));
  } catch (error) {
    if (!(error instanceof DockerfileError)) throw error;
    const { message, range, expected } = error;
    return `error @${printedRange(range)}: ${message}${expected === undefined ? '' : `\nexpected ${expected}`}`;
  }
}

for (const name of ['lines', 'from', 'values', 'commands', 'run', 'copy', 'heredoc', 'onbuild', 'errors', 'syntax']) {
  describe(name, () => goldenTests(new URL(`testdata/${name}.txt`, import.meta.url), printed));
}

test('limits', () => {
  const from = 'FROM scratch\n';
  const line = `RUN ${'x'.repeat(limits.lineBytes - 4)}`;
  assert.doesNotThrow(() => parse(`${from}${line}\n`));
  assert.throws(() => parse(`${from}${line}x\n`), /line greater than max allowed size of 65535/);
  assert.throws(
    () =>
      parse(`${from}RUN ${'ü'.repeat(32_766)}
`),
    /line greater than max/,
  );
  assert.throws(() => parse(`${from}#${'x\n'.repeat(limits.fileBytes / 2)}`), /dockerfile greater than max/);
  const many = from + 'ENV a=b\n'.repeat(limits.instructions);
  assert.throws(() => parse(many), /more than 20000 instructions/);
  assert.doesNotThrow(() => parse(many.slice(0, -8)));
});

test('a trigger is one instruction', () => {
  const own = { hasOwnInstructions: true };
  const docker = { hasOwnInstructions: false };
  assert.equal(parseTrigger('RUN true', docker).kind, 'run');
  assert.equal(parseTrigger('COPY <<a /b\ntext\na', docker).kind, 'copy');
  assert.equal(parseTrigger('UNSET ENV a', own).kind, 'unset');
  assert.throws(() => parseTrigger('UNSET ENV a', docker), /unknown instruction: UNSET/);
  assert.throws(() => parseTrigger('RUN true\nRUN false', docker), /single expression/);
  assert.throws(() => parseTrigger('', docker), /single expression/);
  assert.throws(() => parseTrigger('FROM x', docker), /FROM isn't allowed/);
  assert.throws(() => parseTrigger('ONBUILD RUN x', docker), /ONBUILD isn't allowed/);
});

const keywords = ['FROM ', 'RUN ', 'COPY ', 'ENV ', 'ARG ', 'CMD ', 'HEALTHCHECK ', 'ONBUILD ', 'LABEL ', 'ADD '];
const words = [
  '--mount=',
  '--from=',
  'type=cache,',
  '<<EOF',
  '<<-"E"',
  'EOF',
  'escape=`\n',
  '$A',
  '${',
  'a',
  'Ä',
  '😀',
];
const marks = ['\\\n', '\n', '\r\n', ' ', '\t', '# ', '"', "'", '\\', '`', '[', ']', ',', '=', '}', '\u00a0', '\0'];
const pieces = [...keywords, ...words, ...marks, '\u{FEFF}'];

test('whatever is written gives a Dockerfile or an error at a place in it', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 60 }), (parts) => {
      const text = `FROM a\n${parts.join('')}`;
      const lines = text.split('\n').length;
      try {
        const { stages } = parse(text);
        for (const { range } of stages.flatMap(({ instructions }) => instructions)) {
          assert.ok(range.start.line >= 1 && range.end.line <= lines);
        }
      } catch (error) {
        assert.ok(error instanceof DockerfileError, String(error));
        assert.ok(error.range.start.line >= 1 && error.range.start.line <= lines, printedRange(error.range));
      }
    }),
    { numRuns: 3_000 },
  );
});

test('time grows with the length only', () => {
  const cpu = startCpuClock();
  const wide = 'x '.repeat(30_000);
  const texts = [
    `FROM a\nRUN ${'\\\n'.repeat(100_000)}x`,
    `FROM a\nENV ${`a=b \\\n`.repeat(25_000)}`,
    `FROM a\nCOPY ${`${wide}\\\n`.repeat(4)} /`,
    `FROM a\nRUN <<EOF\n${'\n'.repeat(250_000)}EOF`,
    `FROM a\nRUN ${'<<E '.repeat(15_000)}`,
    `FROM a\nONBUILD ${'ONBUILD '.repeat(8_000)}`,
    `FROM a\nCMD ${'['.repeat(60_000)}`,
    `FROM a\nRUN ${'--mount=x '.repeat(6_000)}`,
    '#\n'.repeat(250_000),
    `FROM a\n${'ENV a=b\n'.repeat(limits.instructions - 1)}`,
  ];
  for (const text of texts) printed(text);
  assert.ok(cpu() < 10_000, `${cpu()} ms`);
});
