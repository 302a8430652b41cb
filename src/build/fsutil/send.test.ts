import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { plainEntry } from '../../archive/tar/entry.ts';
import { EngineError } from '../../base/errors.ts';
import type { Method } from '../grpc/server.ts';
import { clientOf } from '../grpc/test-client.ts';
import { GrpcError, statusCodes } from '../grpc/status.ts';
import { sendFile } from '../session/file-send.ts';
import { decode } from '../wire/decode.ts';
import { encode } from '../wire/encode.ts';
import { bytesMessage, packet, packetTypes } from '../wire/session.ts';
import { type SentFolder, sendFolder } from './send.ts';

const diffCopy = '/moby.filesync.v1.FileSend/DiffCopy';

async function targetOf(t: TestContext, method: Method) {
  const client = await clientOf(t, { [diffCopy]: method });
  const session = { id: 's', sharedKey: '', methods: new Set([diffCopy]), client };
  return { session, exporter: 3, signal: AbortSignal.timeout(20_000) };
}

const contents = new Map([
  ['a', 'first'],
  ['b', ''],
  ['c', 'x'.repeat(300_000)],
]);

const folder: SentFolder = async function* members() {
  yield { entry: plainEntry('directory', 'd/', { size: 0, mode: 0o755 }), body: pieces('') };
  for (const [name, content] of contents) {
    yield { entry: plainEntry('file', `d/${name}`, { size: content.length, mode: 0o4640 }), body: pieces(content) };
  }
};

async function* pieces(content: string) {
  for (let at = 0; at < content.length; at += 70_000) yield Buffer.from(content.slice(at, at + 70_000));
}

/** A client that asks for these files, each when the one before has come if `patient`. */
const receiver =
  (ids: readonly number[], got: Map<number, string>, { patient = false } = {}): Method =>
  async (call) => {
    const left = [...ids];
    let open = 0;
    const ask = async (): Promise<void> => {
      const id = left.shift();
      if (id === undefined) return;
      open++;
      await call.send(encode(packet, { type: packetTypes.request, id }));
      if (!patient) await ask();
    };
    let listed = false;
    for await (const bytes of call.messages) {
      const { type, stat, id, data } = decode(packet, bytes);
      if (type === packetTypes.stat && stat === undefined) {
        listed = true;
        await ask();
      } else if (type === packetTypes.data) {
        got.set(id, (got.get(id) ?? '') + Buffer.from(data).toString());
        if (data.length === 0) {
          open--;
          await ask();
        }
      }
      if (type !== packetTypes.end && listed && open === 0 && left.length === 0) {
        await call.send(encode(packet, { type: packetTypes.end }));
      }
    }
  };

test('a folder is listed, and what the client asks for is sent, in its order or ours', async (t) => {
  for (const [ids, patient] of [
    [[1, 2, 3], false],
    [[3, 1, 2], false],
    [[3, 2, 1], true],
    [[], false],
  ] as const) {
    const got = new Map<number, string>();
    let counted = 0;
    await sendFolder(await targetOf(t, receiver(ids, got, { patient })), folder, (bytes) => (counted = bytes));
    const wanted = new Map(ids.map((id) => [id, [...contents.values()][id - 1] ?? '']));
    assert.deepEqual(got, wanted);
    assert.equal(counted, [...wanted.values()].join('').length);
  }
});

test('a client that asks for what there is not, breaks off, or says an error fails its transfer', async (t) => {
  const failing = async (method: Method): Promise<EngineError> => {
    const failure = await sendFolder(await targetOf(t, method), folder, () => undefined).catch(
      (error: unknown) => error,
    );
    assert.ok(failure instanceof EngineError);
    return failure;
  };
  assert.match((await failing(receiver([9], new Map()))).message, /asks for file 9 of 4/);
  const early: Method = async () => undefined;
  assert.match((await failing(early)).message, /ended the transfer before it had all files/);
  const refusing: Method = async () => {
    throw new GrpcError(statusCodes.unknown, 'open /x: not a directory');
  };
  assert.match((await failing(refusing)).message, /not a directory/);
  const complaining: Method = async (call) => {
    await call.send(encode(packet, { type: packetTypes.error, data: Buffer.from('disk is full') }));
    for await (const _message of call.messages) continue;
  };
  assert.match((await failing(complaining)).message, /error from receiver: disk is full/);
  const wild: Method = async (call) => {
    await call.send(encode(packet, { type: 77 }));
    for await (const _message of call.messages) continue;
  };
  assert.match((await failing(wild)).message, /unknown type 77/);
});

test('a client that asks for one file after the other, again and again, is given up', async (t) => {
  const greedy: Method = async (call) => {
    await call.send(encode(packet, { type: packetTypes.request, id: 1 }));
    for await (const bytes of call.messages) {
      const { type, data } = decode(packet, bytes);
      if (type === packetTypes.data && data.length === 0)
        await call.send(encode(packet, { type: packetTypes.request, id: 1 }));
    }
  };
  await assert.rejects(
    sendFolder(await targetOf(t, greedy), folder, () => undefined),
    /one after the other/,
  );
});

test('a file goes with what is to be known of it; a client that has it needs it not', async (t) => {
  const seen: unknown[] = [];
  const taking: Method = async (call) => {
    seen.push(call.metadata['exporter-md-image.name'], call.metadata['buildkit-attachable-exporter-id']);
    let bytes = 0;
    for await (const message of call.messages) bytes += decode(bytesMessage, message).data.length;
    seen.push(bytes);
  };
  const about = new Map([['image.name', 'a:1']]);
  await sendFile(await targetOf(t, taking), pieces('x'.repeat(3_000_000)), about, () => undefined);
  assert.deepEqual(seen, ['a:1', '3', 3_000_000]);
  const having: Method = async () => {
    throw new GrpcError(statusCodes.exists, 'target already exists');
  };
  await sendFile(await targetOf(t, having), pieces('x'.repeat(3_000_000)), about, () => undefined);
  const refusing: Method = async () => {
    throw new GrpcError(statusCodes.unknown, 'disk is full');
  };
  await assert.rejects(
    sendFile(await targetOf(t, refusing), pieces('x'.repeat(3_000_000)), about, () => undefined),
    /disk is full/,
  );
});
