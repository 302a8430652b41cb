/** What a container can reach of the host, asked from inside, through both runtimes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Laboratory, openLaboratory, type Question, skipReason } from './_laboratory.ts';

/** Prints capabilities, what opening certain files gives, and how mounts look. Nothing is ever written. */
const script = `
const fs = require('node:fs');
const attempt = (action) => { try { return action() ?? 'done'; } catch (error) { return error.code; } };
const open = (path, flags) => attempt(() => { fs.closeSync(fs.openSync(path, flags)); });
const node = (name, mode, major, minor) => attempt(() => {
  const ffi = require('node:ffi');
  const { functions: c } = ffi.dlopen(null, { mknod: { arguments: ['pointer', 'u32', 'u64'], return: 'i32' } });
  if (c.mknod('/tmp/' + name, mode | 0o600, BigInt(major * 256 + minor)) < 0) return 'not made';
  const result = open('/tmp/' + name, 'r');
  fs.unlinkSync('/tmp/' + name);
  return result;
});
const status = Object.fromEntries(
  fs.readFileSync('/proc/self/status', 'utf8').split('\\n').map((line) => line.split(':\\t')),
);
console.log(JSON.stringify({
  status,
  secrets: ['/proc/kcore', '/proc/keys', '/proc/timer_list', '/proc/interrupts'].map((path) =>
    attempt(() => String(fs.readFileSync(path, { flag: 'r' }).length))),
  firmware: attempt(() => String(fs.readdirSync('/sys/firmware').length)),
  corePattern: open('/proc/sys/kernel/core_pattern', 'r+'),
  sysrq: open('/proc/sysrq-trigger', 'r+'),
  uevent: open('/sys/kernel/uevent_helper', 'r+'),
  devices: fs.readdirSync('/dev').sort(),
  loop: node('loop', 0o060000, 7, 0),
  memory: node('memory', 0o020000, 1, 1),
  fuse: node('fuse', 0o020000, 10, 229),
  zero: node('zero', 0o020000, 1, 5),
  mounts: fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\\n').filter(Boolean).map((line) => line.split(' ')[4]),
}));
`;

interface Found {
  readonly status: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
  readonly firmware: string;
  readonly corePattern: string;
  readonly sysrq: string;
  readonly uevent: string;
  readonly devices: readonly string[];
  readonly loop: string;
  readonly memory: string;
  readonly fuse: string;
  readonly zero: string;
  readonly mounts: readonly string[];
}

const look = async (laboratory: Laboratory, more: Partial<Question> & Pick<Question, 'runtime'>): Promise<Found> =>
  (await laboratory.ask({ how: 'run', script, ...more })) as Found;

async function withLaboratory(body: (laboratory: Laboratory) => Promise<void>): Promise<void> {
  const laboratory = await openLaboratory();
  try {
    await body(laboratory);
  } finally {
    await laboratory.close();
  }
}

const none = '0000000000000000';
/** Docker's 14. */
const usual = '00000000a80425fb';

test('a container sees and changes nothing of the host', { skip: skipReason() }, async () => {
  await withLaboratory(async (laboratory) => {
    for (const runtime of ['crun', 'runc']) {
      for (const how of ['run', 'exec'] as const) {
        const found = await look(laboratory, { runtime, how });
        const where = `${runtime} ${how}`;
        const { CapInh, CapPrm, CapEff, CapBnd, CapAmb, Seccomp } = found.status;
        assert.deepEqual([CapInh, CapPrm, CapEff, CapBnd, CapAmb], [none, usual, usual, usual, none], where);
        assert.equal(Seccomp, '2', where);
        for (const read of found.secrets)
          assert.ok(read === '0' || read === 'ENOENT' || read === 'EACCES', `${where} ${read}`);
        assert.equal(found.firmware, '0', where);
        assert.equal(found.corePattern, 'EROFS', where);
        // Some kernels are built without these two.
        for (const write of [found.sysrq, found.uevent]) {
          assert.ok(write === 'EROFS' || write === 'ENOENT', `${where} ${write}`);
        }
        for (const device of [found.loop, found.memory, found.fuse]) assert.equal(device, 'EPERM', where);
        assert.equal(found.zero, 'done', where);
        const strange = found.devices.filter((name) => !usualDevices.has(name));
        assert.deepEqual(strange, [], where);
      }
    }
  });
});

const usualDevices = new Set(
  'console core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero'.split(' '),
);

test('a user that is not root has no capabilities', { skip: skipReason() }, async () => {
  await withLaboratory(async (laboratory) => {
    for (const runtime of ['crun', 'runc']) {
      for (const how of ['run', 'exec'] as const) {
        const { status } = await look(laboratory, { runtime, how, uid: 1000 });
        const { CapInh, CapPrm, CapEff, CapBnd, CapAmb, Groups } = status;
        assert.deepEqual(
          [CapInh, CapPrm, CapEff, CapBnd, CapAmb],
          [none, none, none, usual, none],
          `${runtime} ${how}`,
        );
        assert.equal(Groups?.trim(), '1000');
      }
    }
  });
});

test('a privileged container reaches what the others cannot: the probe can tell the difference', {
  skip: skipReason(),
}, async () => {
  await withLaboratory(async (laboratory) => {
    const found = await look(laboratory, { runtime: 'crun', config: { Privileged: true } });
    assert.equal(found.corePattern, 'done');
    assert.notEqual(found.memory, 'EPERM');
    assert.equal(found.status['Seccomp'], '0');
    assert.ok(found.devices.length > usualDevices.size);
  });
});
