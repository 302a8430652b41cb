/**
 * Runs the tests under the given folders or files, each file in its own process.
 *
 *     node tools/run-tests.ts [--long] [--again] [--times] [--concurrency=N] [--timeout=SECONDS] [--only=PATTERN] ROOT...
 *
 * With `--again` a file that failed is run once more, alone: what then passes is printed as UNSTEADY, for somebody to look
 * at, and counts as passed. Failures are printed as they happen, what was skipped before the last line, which is always
 * `N passed, N failed, N skipped`. Exits with 1 when a test failed or when there was none.
 * With `--times` it prints how long each file took that took over a second, the longest first.
 * Tests that take long skip themselves unless `GANTRY_TEST_LONG=1`, which `--long` sets.
 */
import { availableParallelism } from 'node:os';
import { relative } from 'node:path';
import { run } from 'node:test';
import { parseArgs } from 'node:util';
import { sourceFiles } from './source-files.ts';

interface Skip {
  readonly name: string;
  readonly reason: string;
}

const slowMs = 5_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    long: { type: 'boolean', default: false },
    again: { type: 'boolean', default: false },
    // Engine tests spend more than half of their time waiting: for processes to start and end, for what must not happen.
    concurrency: { type: 'string', default: String(Math.min(2, availableParallelism()) + 1) },
    // Longest time for one test, and for one file: a test that hangs must not hold the whole run.
    timeout: { type: 'string', default: '120' },
    only: { type: 'string' },
    times: { type: 'boolean', default: false },
  },
});

/** The file that an event belongs to and the name of the test. */
function titleOf(data: { file?: string | undefined; name: string }): string {
  return data.file === undefined ? data.name : `${relative(process.cwd(), data.file)}: ${data.name}`;
}

function explain(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return text.replace(/^/gm, '    ');
}

interface FileResult {
  passed: number;
  failed: number;
  /** Of the whole file, its process's start and end with it. */
  durationMs: number;
  readonly skips: Skip[];
}

const newResult = (): FileResult => ({ passed: 0, failed: 0, durationMs: 0, skips: [] });

/** Runs all files and resolves to what came of each. */
async function runFiles(files: readonly string[], concurrency: number): Promise<Map<string, FileResult>> {
  const results = new Map<string, FileResult>(files.map((file) => [file, newResult()]));
  const resultOf = (file: string | undefined): FileResult => {
    const result = results.get(file ?? '') ?? newResult();
    results.set(file ?? '', result);
    return result;
  };
  const output = new Map<string, string>();
  const stream = run({
    files: [...files],
    concurrency,
    timeout: Number(values.timeout) * 1000,
    // A failed test leaves open what it did not come to close (workers, sockets): its file ends with its last test.
    execArgv: ['--disable-warning=ExperimentalWarning', '--test-force-exit'],
    ...(values.only === undefined ? {} : { testNamePatterns: [new RegExp(values.only)] }),
  });
  const keep = (data: { file?: string | undefined; message: string }) => {
    const file = data.file ?? '';
    output.set(file, ((output.get(file) ?? '') + data.message).slice(-20_000));
  };
  stream.on('test:stdout', keep);
  stream.on('test:stderr', keep);
  stream.on('test:pass', (data) => {
    // A suite passes by its tests, of which the runner tells one by one; of a skipped suite it tells nothing else than this.
    if (data.details.type === 'suite' && data.skip === undefined) return;
    if (data.skip !== undefined || data.todo !== undefined) {
      const reason = typeof data.skip === 'string' && data.skip !== '' ? data.skip : 'no reason given';
      resultOf(data.file).skips.push({ name: titleOf(data), reason });
      return;
    }
    if (data.name === data.file && values.only === undefined) {
      resultOf(data.file).failed++;
      console.log(`FAILED  ${relative(process.cwd(), data.name)}: the file holds no test`);
      return;
    }
    resultOf(data.file).passed++;
    if (data.details.duration_ms > slowMs) {
      console.log(`slow    ${titleOf(data)} (${(data.details.duration_ms / 1000).toFixed(1)} s)`);
    }
  });
  stream.on('test:summary', (data) => {
    if (data.file !== undefined) resultOf(data.file).durationMs = data.duration_ms;
  });
  stream.on('test:fail', (data) => {
    // A suite or a file fails because a test in it failed; only its own failures count.
    const cause = data.details.error as Error & { failureType?: string };
    if (cause.failureType === 'subtestsFailed') return;
    resultOf(data.file).failed++;
    console.log(`FAILED  ${titleOf(data)}\n${explain(cause)}`);
    const said = output.get(data.file ?? '');
    if (said !== undefined) console.log(`    --- printed so far ---\n${said.replace(/^/gm, '    ')}`);
  });
  await new Promise<void>((resolve, reject) => stream.on('end', resolve).on('error', reject).resume());
  return results;
}

/** Runs what failed once more, alone, and lets the second result stand. */
async function runFailedAgain(results: Map<string, FileResult>): Promise<void> {
  for (const [file, { failed }] of results) {
    if (failed === 0 || file === '') continue;
    const second = (await runFiles([file], 1)).get(file);
    if (second === undefined) continue;
    results.set(file, second);
    if (second.failed > 0 || second.passed === 0) continue;
    console.log(`UNSTEADY ${relative(process.cwd(), file)}: failed at first, passed when it was run again alone`);
  }
}

if (values.long) process.env['GANTRY_TEST_LONG'] = '1';
const files = positionals.flatMap((root) => sourceFiles(root, '.test.ts'));
if (files.length === 0) console.log(`no test files under ${positionals.join(' ') || '(no root given)'}`);
const results = await runFiles(files, Number(values.concurrency));
if (values.again) await runFailedAgain(results);
let [passed, failed] = [0, files.length === 0 ? 1 : 0];
if (values.times) {
  for (const [file, { durationMs }] of [...results].sort(([, a], [, b]) => b.durationMs - a.durationMs)) {
    if (durationMs > 1000)
      console.log(`time    ${(durationMs / 1000).toFixed(1).padStart(6)} s  ${relative(process.cwd(), file)}`);
  }
}
const skips: Skip[] = [];
for (const result of results.values()) {
  passed += result.passed;
  failed += result.failed;
  skips.push(...result.skips);
}
for (const { name, reason } of skips) console.log(`skipped ${name}: ${reason}`);
console.log(`${passed} passed, ${failed} failed, ${skips.length} skipped`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
