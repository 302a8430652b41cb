import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { EngineError } from '../../base/errors.ts';
import { decodeCreateContainer } from './create-container.ts';
import { decodeCreateExec, decodeStartExec } from './exec.ts';
import { decodeFilters } from './filters.ts';
import { parseJson } from './json.ts';
import { decodePlatform } from './platform.ts';
import { parseQuery, queryFlag, queryInteger } from './query.ts';
import { parseTimestamp } from './time.ts';
import { decodeCreateVolume } from './volume.ts';

const create = (value: unknown, apiMinor = 50) => decodeCreateContainer(value, { apiMinor });
const bytes = (text: string) => new TextEncoder().encode(text);
const refuses = (work: () => unknown, message: RegExp) =>
  assert.throws(
    work,
    (error) => error instanceof EngineError && error.code === 'invalid' && message.test(error.message),
  );

test('an empty create body gets the defaults of Docker; what the operator may choose stays open', () => {
  const { Config: config, HostConfig: host, EndpointsConfig: endpoints } = create({ Image: 'busybox' });
  assert.deepEqual(
    [host.NetworkMode, host.IpcMode, host.ShmSize, host.OomKillDisable, host.MemorySwappiness, host.RestartPolicy],
    ['bridge', '', 0, false, null, { Name: 'no', MaximumRetryCount: 0 }],
  );
  assert.deepEqual([config.Cmd, config.Entrypoint, config.Env, host.Binds], [null, null, [], null]);
  assert.equal(Object.keys(endpoints).length, 0);
});

test('names match whatever their case, null is absent, unknown fields are nothing, one word is a command', () => {
  const { Config: config, HostConfig: host } = create({
    image: 'busybox',
    CMD: 'true',
    Entrypoint: ['/bin/sh', '-c'],
    Env: null,
    Whatever: { deep: [] },
    hostconfig: { memory: 6_291_456, NetworkMode: null, MemorySwappiness: -1, PidsLimit: -1 },
  });
  assert.deepEqual(
    [config.Image, config.Cmd, config.Entrypoint, config.Env],
    ['busybox', ['true'], ['/bin/sh', '-c'], []],
  );
  assert.deepEqual(
    [host.Memory, host.MemorySwap, host.MemorySwappiness, host.PidsLimit],
    [6_291_456, 12_582_912, null, null],
  );
});

test('a wrong type is named with its place', () => {
  const cases: [unknown, RegExp][] = [
    [[], /cannot unmarshal array into value of type CreateRequest/],
    [{ Image: 5 }, /cannot unmarshal number into field Image of type string/],
    [{ Env: ['A=1', 2] }, /cannot unmarshal number into field Env.1 of type string/],
    [{ Cmd: {} }, /cannot unmarshal object into field Cmd of type \[\]string/],
    [{ HostConfig: { Memory: 1.5 } }, /cannot unmarshal number 1.5 into field HostConfig.Memory of type int64/],
    [{ hostconfig: { memory: true } }, /cannot unmarshal bool into field HostConfig.Memory of type int64/],
    [
      { HostConfig: { PortBindings: { '80/tcp': [{ HostPort: 80 }] } } },
      /cannot unmarshal number into field HostConfig.PortBindings.80\/tcp.0.HostPort of type string/,
    ],
    [{ ExposedPorts: ['80/tcp'] }, /cannot unmarshal array into field ExposedPorts of type map\[string\]struct/],
  ];
  for (const [value, message] of cases) refuses(() => create(value), message);
});

test('keys that mean something to JavaScript are keys like all others', () => {
  const value = JSON.parse(
    '{"Labels":{"__proto__":"a","constructor":"b"},"__proto__":{"Image":"x"},"toString":1}',
  ) as unknown;
  const { Config: config } = create(value);
  assert.equal(Object.getPrototypeOf(config.Labels), null);
  assert.deepEqual(Object.entries(config.Labels), [
    ['__proto__', 'a'],
    ['constructor', 'b'],
  ]);
  assert.equal(config.Image, '');
});

test('what contradicts itself or is out of range is refused in the words of Docker', () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ HostConfig: { Memory: 1024 } }, /^Minimum memory limit allowed is 6MB$/],
    [{ HostConfig: { MemorySwap: 1e9 } }, /^You should always set the Memory limit/],
    [{ HostConfig: { OomScoreAdj: -2000 } }, /^Invalid value -2000, range for oom score adj is \[-1000, 1000\]$/],
    [{ HostConfig: { NanoCpus: 1e9, CpuQuota: 5000 } }, /^Conflicting options: Nano CPUs and CPU Quota/],
    [
      { Hostname: 'h', HostConfig: { NetworkMode: 'container:x' } },
      /^conflicting options: hostname and the network mode$/,
    ],
    [{ HostConfig: { NetworkMode: 'container:' } }, /^invalid container format/],
    [{ HostConfig: { RestartPolicy: { Name: 'sometimes' } } }, /^invalid restart policy: unknown policy 'sometimes'/],
    [{ HostConfig: { AutoRemove: true, RestartPolicy: { Name: 'always' } } }, /^can't create 'AutoRemove'/],
    [{ Env: ['=x'] }, /^invalid environment variable: =x$/],
    [{ Healthcheck: { Interval: 5 } }, /^Interval in Healthcheck cannot be less than 1ms$/],
  ];
  for (const [value, message] of cases) refuses(() => create(value), message);
  const named = (name: string) => () => decodeCreateContainer({}, { apiMinor: 50, name });
  for (const bad of ['a', '-a', 'a b', 'a/b', '/', 'ä1']) refuses(named(bad), /^Invalid container name/);
  for (const good of ['ab', '/web-1.x_y', '0a']) named(good)();
  refuses(() => create(null), /^config cannot be empty in order to create a container$/);
});

test('old clients get the defaults of their time, and nothing newer', () => {
  const mounts = [
    { Type: 'bind', Source: '/a', Target: '/b', BindOptions: { NonRecursive: true, CreateMountpoint: true } },
  ];
  const value = () => ({
    MacAddress: '02:42:ac:11:00:05',
    HostConfig: { Annotations: { a: 'b' }, Mounts: structuredClone(mounts) },
  });
  const old = create(value(), 39);
  assert.deepEqual([old.HostConfig.IpcMode, old.HostConfig.CgroupnsMode], ['shareable', 'host']);
  assert.deepEqual([old.HostConfig.Annotations, old.HostConfig.Mounts?.[0]?.BindOptions], [undefined, {}]);
  assert.equal(old.EndpointsConfig['bridge']?.MacAddress, '02:42:ac:11:00:05');
  const now = create(value(), 50);
  assert.deepEqual([now.HostConfig.CgroupnsMode, now.HostConfig.Annotations?.['a']], ['', 'b']);
  assert.equal(now.HostConfig.Mounts?.[0]?.BindOptions?.NonRecursive, true);
});

test('endpoints keep what a client may ask for; "default" is the network of the mode', () => {
  const { EndpointsConfig: endpoints } = create({
    HostConfig: { NetworkMode: 'default' },
    NetworkingConfig: { EndpointsConfig: { default: { Aliases: ['db'], IPAddress: '10.0.0.9', EndpointID: 'x' } } },
  });
  assert.deepEqual(Object.keys(endpoints), ['bridge']);
  assert.deepEqual(
    [endpoints['bridge']?.Aliases, endpoints['bridge']?.IPAddress, endpoints['bridge']?.EndpointID],
    [['db'], '', ''],
  );
});

test('exec: a command is needed, a console size only goes with a terminal', () => {
  refuses(() => decodeCreateExec({ Cmd: [] }), /^no exec command specified$/);
  assert.deepEqual(decodeCreateExec({ Cmd: ['sh'], ConsoleSize: [24, 80] }).ConsoleSize, undefined);
  assert.deepEqual(decodeCreateExec({ Cmd: ['sh'], Tty: true, ConsoleSize: [24, 80] }).ConsoleSize, [24, 80]);
  assert.deepEqual(decodeStartExec(undefined), { Detach: false, Tty: false });
});

test('JSON is measured before it is built', () => {
  assert.deepEqual(parseJson(bytes('{"a":"[[[[\\"{"}')), { a: '[[[["{' });
  refuses(() => parseJson(bytes('['.repeat(100_000))), /nested deeper than 64 levels/);
  refuses(() => parseJson(bytes(`[${'1,'.repeat(300_000)}1]`)), /more than 200000 values/);
  refuses(() => parseJson(new Uint8Array(5 * 1024 * 1024)), /larger than/);
  refuses(() => parseJson(bytes(' ')), /got EOF/);
  refuses(() => parseJson(bytes('{} {}')), /invalid JSON/);
});

test('filters come as maps or lists', () => {
  assert.deepEqual(
    [...decodeFilters('{"label":{"a=b":true,"c":false},"id":["x"]}')],
    [
      ['label', ['a=b']],
      ['id', ['x']],
    ],
  );
  assert.equal(decodeFilters(undefined).size, 0);
  assert.equal(decodeFilters('null').size, 0);
  for (const bad of ['[]', '"x"', '{"a":5}', '{"a":[5]}', '{"a":{"b":"c"}}', '{'])
    refuses(() => decodeFilters(bad), /invalid/);
  refuses(() => decodeFilters('{"nmae":["x"]}', ['name']), /^invalid filter 'nmae'$/);
});

test('query parameters: booleans as Docker has them, integers in their range', () => {
  const query = parseQuery('a=1&b=True&c=0&d=no&e=False&f=none&g=&h=anything&i&sp=a+b%20c&sp=2');
  const on = ['a', 'b', 'h'];
  for (const key of 'abcdefghi') assert.equal(queryFlag(query, key), on.includes(key), key);
  assert.equal(queryFlag(query, 'absent', true), true);
  assert.deepEqual(query.get('sp'), ['a b c', '2']);
  refuses(() => parseQuery('a=%f'), /invalid URL escape/);
  assert.equal(queryInteger(parseQuery('t=-1'), 't', { min: -1, max: 5 }), -1);
  for (const bad of ['6', '-2', '1.5', '0x1', '9'.repeat(30), 'a']) {
    refuses(() => queryInteger(parseQuery(`t=${bad}`), 't', { min: -1, max: 5 }), /for t: expected a whole number/);
  }
});

test('times: seconds, calendar dates and ages', () => {
  const at = (text: string) => parseTimestamp(text, 1_000_000_000_000n, 'since');
  assert.equal(at('1700000000'), 1_700_000_000_000_000_000n);
  assert.equal(at('1700000000.000000001'), 1_700_000_000_000_000_001n);
  assert.equal(at('1700000000.5'), 1_700_000_000_500_000_000n);
  assert.equal(at('10s'), 990_000_000_000n);
  assert.equal(at('1970-01-01T00:00:01.25Z'), 1_250_000_000n);
  assert.equal(at('1970-01-01T02:00:01+02:00'), 1_000_000_000n);
  assert.equal(at('1970-01-02'), 86_400_000_000_000n);
  assert.equal(at('0001-01-01T00:00:00Z'), -62_135_596_800_000_000_000n);
  for (const bad of ['', 'x', '1970-13-01', '1970-01-01T', '1970-01-01T00:00:00.Z', '1.2.3', '5 minutes']) {
    refuses(() => at(bad), /invalid value for "since"/);
  }
});

test('platforms come as JSON or as text', () => {
  assert.equal(decodePlatform('{"os":"linux","architecture":"arm","variant":"v7"}'), 'linux/arm/v7');
  assert.equal(decodePlatform('linux/amd64'), 'linux/amd64');
  assert.equal(decodePlatform(''), undefined);
  refuses(() => decodePlatform('{"os":"linux"}'), /architecture/);
});

test('whatever comes, it is decoded or refused as invalid', () => {
  const decoders: ((value: unknown) => unknown)[] = [create, decodeCreateExec, decodeStartExec, decodeCreateVolume];
  const keys = fc.constantFrom(
    'Image',
    'Cmd',
    'Env',
    'HostConfig',
    'Mounts',
    'PortBindings',
    'Labels',
    'NetworkingConfig',
    'EndpointsConfig',
    'Healthcheck',
    'Tmpfs',
    'RestartPolicy',
    'Name',
    'ConsoleSize',
    '__proto__',
    'x',
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.jsonValue({ maxDepth: 1 }),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(keys, tie('value'), { maxKeys: 5 }),
    ),
  }));
  fc.assert(
    fc.property(value, fc.constantFrom(...decoders), (input, decoder) => {
      onlyInvalid(() => decoder(parseJson(bytes(JSON.stringify(input)))));
    }),
    { numRuns: 300 },
  );
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), (text) => {
      onlyInvalid(() => decodeFilters(text));
      onlyInvalid(() => parseQuery(text));
      onlyInvalid(() => parseTimestamp(text, 0n, 'since'));
      onlyInvalid(() => decodePlatform(text));
    }),
    { numRuns: 300 },
  );
});

function onlyInvalid(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'invalid') throw error;
  }
}
