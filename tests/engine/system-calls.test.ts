import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { archTable } from '../../src/runtime/profile/seccomp/syscalls.ts';
import { callProbe, type ProbedCall } from '../support/call-probe.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';

const image = 'gantry-test/busybox:1';
/** What each call must answer; `WRITE_TABLE=1` writes it anew, for a person to read the difference. */
const tablePath = join(import.meta.dirname, 'system-calls.txt');
const skip = process.arch === 'x64' ? false : 'the probe is a program of x86-64';

/** sigsuspend of 32 bits takes the mask from its arguments and then waits for ever. */
const waitsForEver = 72;
const last = 470;
const numbers = Array.from({ length: last + 1 }, (_, number) => number);
const x32 = [0, 1, 59, 101, 250, 321, 512, 520, 521, 545].map((number) => number + 0x4000_0000);
const calls: readonly ProbedCall[] = [
  ...[...numbers, ...x32, 1000, 0xffff_ffff].map((number) => ({ door: 'native', number }) as const),
  ...numbers.filter((number) => number !== waitsForEver).map((number) => ({ door: 'compat', number }) as const),
];

const capabilities = ['--cap-add', 'ALL'];
const unconfined = ['--security-opt', 'seccomp=unconfined'];
/** A column of the table: how the container is made. */
const columns = {
  default: ['--runtime=crun'],
  'cap-add ALL': ['--runtime=crun', ...capabilities],
  privileged: ['--runtime=crun', '--privileged'],
  unconfined: ['--runtime=crun', ...unconfined],
  'default, runc': ['--runtime=runc'],
  'cap-add ALL, runc': ['--runtime=runc', ...capabilities],
} as const satisfies Record<string, readonly string[]>;
type Column = keyof typeof columns;
const names = Object.keys(columns) as Column[];
const words: Readonly<Record<string, string>> = { P: 'EPERM', N: 'ENOSYS', '-': '.' };

function nameOf({ door, number }: ProbedCall): string {
  const table = archTable(door === 'native' ? 'x86_64' : 'i386').numberOf;
  const found = [...table].find(([, one]) => one === (number & ~0x4000_0000))?.[0] ?? '?';
  return number >= 0x4000_0000 && found !== '?' ? `x32:${found}` : found;
}

function render(answers: Readonly<Record<Column, string>>): string {
  const head = ['door', 'number', 'name', ...names];
  const rows = calls.map((call, at) => [
    call.door,
    String(call.number),
    nameOf(call),
    ...names.map((name) => words[answers[name][at] ?? ''] ?? '?'),
  ]);
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd();
  return `${[head, ...rows].map(line).join('\n')}\n`;
}

/** The answers of a column as the table has them, in the probe's letters. */
async function expectedOf(column: Column): Promise<string> {
  const letters = Object.fromEntries(Object.entries(words).map(([letter, word]) => [word, letter]));
  const rows = (await readFile(tablePath, 'utf8')).trimEnd().split('\n').slice(1);
  return rows.map((row) => letters[row.split(/ {2,}/)[3 + names.indexOf(column)] ?? ''] ?? '?').join('');
}

function assertAnswers(got: string, expected: string, where: string): void {
  assert.equal(got.length, calls.length, where);
  const wrong = calls.flatMap((call, at) =>
    got[at] === expected[at] ? [] : [`${call.door} ${call.number} ${nameOf(call)}: ${got[at]} is not ${expected[at]}`],
  );
  assert.deepEqual(wrong, [], where);
}

engineSuite('every system call', { images: ['busybox'], runtimes: ['crun', 'runc'] }, (engine) => {
  const docker = (...more: string[]) => engine().dockerOk(more);
  const probe = () => ['-v', `${engine().folder}/probe:/probe:ro`];
  before(() => writeFile(`${engine().folder}/probe`, callProbe(calls), { mode: 0o755 }));

  test('in run and exec, with each profile', { skip }, async () => {
    const answers: Partial<Record<Column, string>> = {};
    for (const name of names) {
      answers[name] = await docker('run', '--rm', ...probe(), ...columns[name], image, '/probe');
      const id = await docker('run', '-d', ...probe(), ...columns[name], image, 'sleep', '1000');
      assertAnswers(await docker('exec', id, '/probe'), answers[name], `${name}: exec as run`);
      await docker('rm', '-f', id);
    }
    const table = render(answers as Record<Column, string>);
    if (process.env['WRITE_TABLE'] !== undefined) await writeFile(tablePath, table);
    for (const name of names) assertAnswers(answers[name] ?? '', await expectedOf(name), name);
  });

  test('in a health check and after a restart', { skip }, async () => {
    const health = ['--health-cmd=/probe', '--health-interval=1s', '--health-timeout=60s'];
    for (const name of ['default', 'default, runc'] as const) {
      const expected = await expectedOf(name);
      const id = await docker('run', '-d', ...probe(), ...columns[name], ...health, image, '/probe');
      await docker('wait', id);
      await docker('restart', id);
      await docker('wait', id);
      const logs = await docker('logs', id);
      assertAnswers(logs.slice(0, calls.length), expected, `${name}: the first start`);
      assertAnswers(logs.slice(calls.length), expected, `${name}: after a restart`);
      const checked = await docker('run', '-d', ...probe(), ...columns[name], ...health, image, 'sleep', '1000');
      const format = '{{with .State.Health}}{{range .Log}}{{.Output}} {{end}}{{end}}';
      const output = await eventually(
        'a health check has ended',
        async () => (await docker('inspect', '-f', format, checked)).trim() || undefined,
        { timeout: 60_000, every: 200 },
      );
      assertAnswers(output.split(' ')[0] ?? '', expected, `${name}: health check`);
      await docker('rm', '-f', id, checked);
    }
  });

  test('a filter of the user that lets everything through is seen to let attacks through', { skip }, async () => {
    await writeFile(`${engine().folder}/weak.json`, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW' }));
    const option = `seccomp=${engine().folder}/weak.json`;
    const weak = await docker('run', '--rm', ...probe(), '--security-opt', option, image, '/probe');
    const strict = await expectedOf('default');
    const through = calls.filter((_, at) => strict[at] !== '-' && weak[at] === '-').map(nameOf);
    for (const name of ['keyctl', 'add_key', 'request_key', 'userfaultfd', 'io_uring_setup', 'unshare', 'clone3']) {
      assert.ok(through.includes(name), `${name} gets through without the filter, and not with it`);
    }
  });
});
