import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, openSync, closeSync, readFileSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { EngineError } from '../../base/errors.ts';
import { readAll } from '../../base/stream.ts';
import { defaultTarLimits, type TarEntry } from './entry.ts';
import { TarParser } from './parse.ts';
import { readTar } from './read.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-sparse-'));
after(() => rmSync(folder, { recursive: true }));

/** A file of `parts` pieces with holes between them and at both ends. */
function sparseFile(name: string, parts: number): Buffer {
  const path = join(folder, name);
  const fd = openSync(path, 'w');
  for (let part = 1; part <= parts; part++) writeSync(fd, `part ${part}`.repeat(700), part * 256 * 1024 + 4096);
  closeSync(fd);
  truncateSync(path, (parts + 2) * 256 * 1024 + 77);
  return readFileSync(path);
}

const contents = new Map([1, 3, 40].map((parts) => [`file-${parts}`, sparseFile(`file-${parts}`, parts)]));
contents.set('hole', Buffer.alloc(1 << 20));
truncateSync(join(folder, (openSync(join(folder, 'hole'), 'w'), 'hole')), 1 << 20);

const formats: readonly (readonly string[])[] = [
  ['--format=gnu'],
  ...['0.0', '0.1', '1.0'].map((version) => ['--format=posix', `--sparse-version=${version}`]),
];

const archiveOf = (options: readonly string[]): Buffer =>
  execFileSync('tar', [...options, '--sparse', '-cC', folder, ...contents.keys()], { maxBuffer: 1 << 28 });

/** In pieces of `step` bytes. */
async function* pieces(bytes: Buffer, step: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}

describe('sparse members', () => {
  for (const options of formats) {
    it(`are read as GNU tar writes them: ${options.join(' ')}`, async () => {
      const archive = archiveOf(options);
      assert.ok(archive.length < 2 ** 20, 'the archive itself is sparse');
      for (const step of [509, 1 << 16]) {
        const names: string[] = [];
        for await (const { entry, body } of readTar(pieces(archive, step))) {
          names.push(entry.name);
          const expected = contents.get(entry.name);
          assert.equal(entry.size, expected?.length, entry.name);
          assert.ok(Buffer.from(await readAll(body, 1 << 26)).equals(expected ?? Buffer.alloc(0)), entry.name);
        }
        assert.deepEqual(names, [...contents.keys()]);
      }
    });

    it(`tell their holes to who can leave them out, and are refused where they are too large: ${options.join(' ')}`, () => {
      const archive = archiveOf(options);
      let [stored, holes] = [0, 0];
      const entries: TarEntry[] = [];
      const parser = new TarParser({
        entry: (entry) => entries.push(entry),
        data: (chunk) => (stored += chunk.length),
        hole: (length) => (holes += length),
        end: () => undefined,
      });
      parser.push(archive);
      parser.finish();
      assert.equal(
        stored + holes,
        entries.reduce((sum, { size }) => sum + size, 0),
      );
      assert.ok(stored < archive.length);
      const strict = new TarParser(
        { entry: () => undefined, data: () => undefined, end: () => undefined },
        { ...defaultTarLimits, holes: 1 << 20 },
      );
      assert.throws(() => strict.push(archive), /the holes of "file-\d+" are larger than allowed/);
    });
  }

  it('with maps that contradict themselves are refused, whatever is changed in them', () => {
    let refused = 0;
    for (const options of formats) {
      const whole = execFileSync('tar', [...options, '--sparse', '-cC', folder, 'file-3'], { maxBuffer: 1 << 28 });
      // Each digit of what stands in front of the content, one after the other.
      const end = Math.min(whole.length, 4096);
      for (let at = 0; at < end; at++) {
        const byte = whole[at] ?? 0;
        if (byte < 0x30 || byte > 0x39) continue;
        const changed = Buffer.from(whole);
        changed[at] = byte === 0x39 ? 0x30 : byte + 1;
        // So that the changed digit is read, and not only summed up.
        for (let block = 0; block < end; block += 512) fixSum(changed, block);
        let [size, told] = [0, 0];
        const parser = new TarParser({
          entry: (entry) => (size += entry.size),
          data: (chunk) => (told += chunk.length),
          hole: (length) => (told += length),
          end: () => assert.equal(told, size),
        });
        try {
          parser.push(changed);
          parser.finish();
        } catch (error) {
          assert.ok(error instanceof EngineError, String(error));
          refused++;
        }
      }
    }
    assert.ok(refused > 50, String(refused));
  });
});

/** Puts the checksum right where a block is a header. */
function fixSum(archive: Buffer, at: number): void {
  if (archive.toString('latin1', at + 257, at + 262) !== 'ustar') return;
  archive.fill(0x20, at + 148, at + 156);
  let sum = 0;
  for (let i = at; i < at + 512; i++) sum += archive[i] ?? 0;
  archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
}
