import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { formatPlatform, parsePlatform } from '../../spec/oci/platform.ts';
import { hostPlatforms } from './host-platforms.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };

/** As Debian registers qemu's programs. */
const aarch64 = (flags: string, first = 'enabled') =>
  `${first}\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: ${flags}\noffset 0\n` +
  'magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n';
const s390x =
  'enabled\ninterpreter /usr/bin/qemu-s390x-static\nflags: F\noffset 0\n' +
  'magic 7f454c4602020100000000000000000000020016\nmask ffffffffffffff00fffffffffffffffffffeffff\n';

async function hostWith(t: TestContext, files: Readonly<Record<string, string>>, flags = '', runs32 = false) {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-platforms-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries({ status: 'enabled\n', register: '', ...files })) {
    await writeFile(join(folder, name), text);
  }
  const processors = `${folder}.cpu`;
  await writeFile(processors, `processor\t: 0\nflags\t\t: fpu ${flags} vme\n`);
  t.after(() => rmSync(processors));
  const host = hostPlatforms(amd64, { interpreters: folder, processors, tryProgram: async () => runs32 });
  return {
    names: async () => (await host.list()).map(formatPlatform),
    obstacle: (platform: string) => host.obstacle(parsePlatform(platform, amd64)),
  };
}

test('a host runs its own programs, with the levels of its processor, and of 32 bits', async (t) => {
  const v2 = 'cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3';
  const v3 = `${v2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave`;
  assert.deepEqual(await (await hostWith(t, {})).names(), ['linux/amd64']);
  const host = await hostWith(t, {}, v3, true);
  assert.deepEqual(await host.names(), ['linux/amd64', 'linux/amd64/v2', 'linux/amd64/v3', 'linux/386']);
  assert.equal(await host.obstacle('linux/amd64/v3'), undefined);
  assert.equal(await host.obstacle('linux/386'), undefined);
  assert.match((await host.obstacle('linux/amd64/v4')) ?? '', /its processor is not of that variant/);
  assert.match((await host.obstacle('windows/amd64')) ?? '', /it has no windows/);
});

test('others by interpreters that can be run from anywhere', async (t) => {
  const host = await hostWith(t, { 'qemu-aarch64': aarch64('POCF'), 'qemu-s390x': s390x });
  assert.deepEqual(await host.names(), ['linux/amd64', 'linux/arm64', 'linux/s390x']);
  assert.equal(await host.obstacle('linux/arm64/v8'), undefined);
  assert.match(
    (await host.obstacle('linux/riscv64')) ?? '',
    /^programs for linux\/riscv64 do not run on this host \(linux\/amd64\): no interpreter .* qemu-riscv64$/,
  );
  // An interpreter for 64 bits does not run 32.
  assert.match((await host.obstacle('linux/arm/v7')) ?? '', /no interpreter/);
});

test('what is wrong with an interpreter is said', async (t) => {
  const loose = await hostWith(t, { 'qemu-aarch64': aarch64('POC') });
  assert.deepEqual(await loose.names(), ['linux/amd64']);
  assert.match((await loose.obstacle('linux/arm64')) ?? '', /aarch64-binfmt-P is registered .* without the flag F/);
  const disabled = await hostWith(t, { 'qemu-aarch64': aarch64('F', 'disabled') });
  assert.match((await disabled.obstacle('linux/arm64')) ?? '', /but is disabled/);
  const off = await hostWith(t, { status: 'disabled\n', 'qemu-aarch64': aarch64('F') });
  assert.match((await off.obstacle('linux/arm64')) ?? '', /no interpreter/);
  const odd = await hostWith(t, { python: 'enabled\ninterpreter /usr/bin/python\nflags: F\nextension .pyc\n', x: '' });
  assert.deepEqual(await odd.names(), ['linux/amd64']);
});

/** An own binfmt_misc, which nobody else sees: Linux 6.7 gives each user namespace one. */
const withOwn = (script: string) =>
  spawnSync('unshare', ['--user', '--map-root-user', '--mount', 'sh', '-ec', script], { encoding: 'utf8' });
const mountOwn = 'mount -t binfmt_misc none /proc/sys/fs/binfmt_misc';
const cannotMount = withOwn(`${mountOwn}; test -e /proc/sys/fs/binfmt_misc/register`).status !== 0;

test("the kernel's own words", { skip: cannotMount && 'no binfmt_misc of an own user namespace' }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-platforms-'));
  t.after(() => rmSync(folder, { recursive: true }));
  // Whatever is asked to run is printed.
  copyFileSync('/bin/busybox', join(folder, 'cat'));
  const foreign = join(folder, 'program');
  const head = Buffer.alloc(64);
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  head.writeUInt16LE(2, 16);
  head.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 18);
  writeFileSync(foreign, Buffer.concat([head, Buffer.from('\nforeign\n')]), { mode: 0o755 });
  const architecture = process.arch === 'arm64' ? 'amd64' : 'arm64';
  const machine = String.raw`\x${head[18]?.toString(16)}\x00`;
  const magic = String.raw`\x7fELF\x02\x01\x01${String.raw`\x00`.repeat(9)}\x02\x00${machine}`;
  const mask = String.raw`\xff\xff\xff\xff\xff\xff\xff\x00${String.raw`\xff`.repeat(8)}\xfe\xff\xff\xff`;
  const list = `import(${JSON.stringify(import.meta.resolve('./host-platforms.ts'))}).then(async ({ hostPlatforms }) =>
    console.log(JSON.stringify(await hostPlatforms(${JSON.stringify(parsePlatform(process.arch, amd64))}).list())))`;
  const script = (flags: string): string =>
    [
      mountOwn,
      `echo ':own:M::${magic}:${mask}:${join(folder, 'cat')}:${flags}' > /proc/sys/fs/binfmt_misc/register`,
      `tail -n 1 ${foreign} && ${foreign} | tail -n 1`,
      `'${process.execPath}' --disable-warning=ExperimentalWarning -e '${list}'`,
    ].join('\n');
  const fixed = withOwn(script('F'));
  assert.match(fixed.stdout, new RegExp(`^foreign\nforeign\n.*"${architecture}"`), fixed.stderr);
  const loose = withOwn(script(''));
  assert.match(loose.stdout, /^foreign\nforeign\n\[/, loose.stderr);
  assert.doesNotMatch(loose.stdout, new RegExp(`"architecture":"${architecture}"`));
});

test('the host that this runs on', async () => {
  const [own] = await hostPlatforms(parsePlatform(process.arch, amd64)).list();
  assert.deepEqual(own, parsePlatform(process.arch, amd64));
});
