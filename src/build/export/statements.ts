import { createHash } from 'node:crypto';
import { plainEntry } from '../../archive/tar/entry.ts';
import { conflict } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { Predicate } from '../../spec/contract/build.ts';
import { statementOf, type StatementSubject } from '../../spec/oci/statement.ts';
import type { SentFolder } from '../fsutil/send.ts';
import { bytesOf, textOf } from '../solve/source.ts';

/**
 * A folder with statements about its files beside them, one file each, called as their predicates say after `prefix`.
 * @throws conflict when the folder has something of that name
 */
export async function withStatements(
  folder: SentFolder,
  predicates: readonly Predicate[],
  { prefix, time }: { readonly prefix: string; readonly time: number },
): Promise<SentFolder> {
  if (predicates.length === 0) return folder;
  const subjects = await subjectsOf(folder);
  const files = predicates.map(({ type, predicate, file }) => {
    const bytes = Buffer.from(`${JSON.stringify(statementOf(type, subjects, predicate), undefined, 2)}\n`);
    const entry = { ...plainEntry('file', bytesOf(prefix + file), { size: bytes.length, mode: 0o644 }), mtime: time };
    return { entry, bytes };
  });
  return async function* members() {
    const left = files.toSorted((a, b) => (a.entry.name < b.entry.name ? -1 : 1));
    const next = (before: string | undefined) => {
      const [first] = left;
      return first !== undefined && (before === undefined || first.entry.name < before) ? left.shift() : undefined;
    };
    for await (const member of folder()) {
      // Names in the root alone are compared: what is below a folder comes right behind it.
      const name = member.entry.name.replace(/\/+$/, '');
      if (!name.includes('/')) {
        for (let file = next(name); file !== undefined; file = next(name))
          yield { entry: file.entry, body: one(file.bytes) };
        if (left[0]?.entry.name === name)
          throw conflict(`the result has ${JSON.stringify(textOf(name))}, which a statement about it is to be called`);
      }
      yield member;
    }
    for (let file = next(undefined); file !== undefined; file = next(undefined))
      yield { entry: file.entry, body: one(file.bytes) };
  };
}

async function* one(bytes: Uint8Array): ByteStream {
  yield bytes;
}

async function subjectsOf(folder: SentFolder): Promise<StatementSubject[]> {
  const subjects: StatementSubject[] = [];
  for await (const { entry, body } of folder()) {
    if (entry.type !== 'file') continue;
    const hash = createHash('sha256');
    for await (const chunk of body) hash.update(chunk);
    subjects.push({ name: textOf(entry.name), digest: { sha256: hash.digest('hex') } });
  }
  return subjects;
}
