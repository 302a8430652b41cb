import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCpuClock } from '../../../tests/support/cpu.ts';
import { limits } from '../dockerfile/source.ts';
import { type LookUp, plainOptions } from '../plan/options.ts';
import { checkDockerfile } from './check.ts';
import { checkJson } from './print.ts';

const lines = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index)).join('');

/** Words of one instruction, over as many lines. */
const words = (count: number, word: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => word(index)).join(' \\\n');

/** An image with as many triggers as a configuration has room for. */
const triggers = Array.from({ length: 12_500 }, () => 'RUN true');
const config = { OnBuild: triggers };
const image = {
  os: 'linux',
  architecture: 'amd64',
  config,
  rootfs: { type: 'layers', diff_ids: [] },
  history: [],
} as const;
const lookUp: LookUp = ({ reference }) => ({ reference, config: image });

const from = 'FROM scratch\n';
/** Each is a quarter of what a file may be, or asks for very much in few words. */
const files: Readonly<Record<string, string>> = {
  'variables in one instruction': `${from}ENV ${words(15_000, (index) => `v${index}=1`)}\n`,
  'variables in many instructions': from + lines(3_750, (index) => `ENV v${index}=1\n`),
  'labels in one instruction': `${from}LABEL ${words(15_000, (index) => `v${index}=1`)}\n`,
  'labels in many instructions': from + lines(3_750, (index) => `LABEL v${index}=1\n`),
  'arguments with comments': `${lines(12_500, (index) => `# v${index} text\n`)}ARG ${words(10_000, (index) => `v${index}`)}\n${from}`,
  ports: from + lines(3_750, () => 'EXPOSE 0-65535\n'),
  volumes: from + lines(3_750, (index) => `VOLUME /v${index}\n`),
  flags: `${from}RUN ${words(12_500, () => '--mount=id=x')} x\n`,
  heredocs: `${from}COPY ${words(5_000, (index) => `<<h${index}`)} /\n${lines(5_000, (index) => `h${index}\n`)}`,
  sources: `${from}ADD ${words(6_250, (index) => `http://a/${index}`)} /\n`,
  'stages with arguments': `FROM scratch AS s\nARG ${words(2_250, (index) => `v${index}=1`)}\n${lines(2_250, () => 'FROM s AS s\n')}`,
  'environments of RUN': `${from}ENV ${words(2_250, (index) => `v${index}=1`)}\n${lines(2_250, () => 'RUN x\n')}`,
  'stages by name':
    lines(2_250, (index) => `FROM scratch AS s${index}\n`) +
    lines(2_250, (index) => `COPY --from=s${index % 2_249} / /\n`),
  'triggers of stages': `FROM scratch AS s0\nONBUILD RUN x\n${lines(2_000, (index) => `FROM s${index} AS s${index + 1}\nONBUILD COPY --from=s${index} / /\n`)}`,
  'triggers of images': lines(2_250, () => 'FROM image\n'),
  'undefined variables': `${from}ENV ${words(5_000, (index) => `v${index}=1`)}\nLABEL ${words(5_000, (index) => `l${index}=$w${index}`)}\n`,
  'undefined arguments in FROM': `ARG ${words(5_000, (index) => `v${index}`)}\n${lines(2_250, (index) => `FROM a$w${index}\n`)}`,
  'secrets below comments': `${from}${lines(12_500, () => '# c\n')}ENV ${words(7_500, (index) => `token_${index}=1`)}\n`,
  'mounts with sources': `${from}RUN ${words(5_000, (index) => `--mount=from=i${index},target=/${index}`)} x\n`,
  'excluded patterns': `${from}COPY ${words(10_000, () => '--exclude=x')} a b\n`,
};

for (const [title, text] of Object.entries(files)) {
  test(`a hostile Dockerfile is read, or refused, in time: ${title}`, () => {
    const cpu = startCpuClock();
    const source = { name: 'Dockerfile', text };
    assert.ok(text.length <= limits.fileBytes, `${text.length} bytes`);
    const result = checkDockerfile({ source, options: plainOptions({ os: 'linux', architecture: 'amd64' }), lookUp });
    checkJson(source, result);
    assert.ok(cpu() < 6_000, `${Math.round(cpu())} ms`);
  });
}
