import assert from 'node:assert/strict';
import test from 'node:test';
import { FlagError, HelpWanted, parseFlags } from './parse.ts';
import { filtersJson, filterType, flag, listOf, mapOf, parseInteger, types } from './types.ts';

const flags = {
  all: flag(types.bool, '', { short: 'a' }),
  interactive: flag(types.bool, '', { short: 'i' }),
  name: flag(types.string, '', { short: 'n' }),
  net: flag(listOf(), '', { hidden: true, alias: 'network' }),
  network: flag(listOf(), ''),
  label: flag(mapOf(), '', { short: 'l' }),
  last: flag(types.int, '', { initial: -1 }),
  filter: flag(filterType, '', { short: 'f' }),
};
const parse = (...args: string[]) => parseFlags(flags, args);

test('flags are read in every spelling', () => {
  assert.equal(parse('--name', 'x').values.name, 'x');
  assert.equal(parse('--name=x=y').values.name, 'x=y');
  assert.equal(parse('-nx').values.name, 'x');
  assert.equal(parse('-n=x').values.name, 'x');
  assert.equal(parse('-n', '-a').values.name, '-a');
  const joined = parse('-ain', 'x', 'arg');
  assert.deepEqual(
    { ...joined.values, label: 0, filter: 0 },
    { all: true, interactive: true, name: 'x', network: [], last: -1, label: 0, filter: 0 },
  );
  assert.deepEqual(joined.args, ['arg']);
  assert.equal(parse('--all=false').values.all, false);
  assert.deepEqual(
    [...parse('-l', 'a=1', '-l', 'b').values.label],
    [
      ['a', '1'],
      ['b', ''],
    ],
  );
});

test('another spelling fills in the flag that it stands for', () => {
  const { values, given } = parse('--net', 'a', '--network', 'b');
  assert.deepEqual(values.network, ['a', 'b']);
  assert.deepEqual([...given], ['network']);
});

test('two dashes end the flags, and so does the first argument when it should', () => {
  assert.deepEqual(parse('x', '-a', '--', '-i').args, ['x', '-i']);
  const run = parseFlags(flags, ['-a', 'image', '-i', '--foo'], false);
  assert.deepEqual(run.args, ['image', '-i', '--foo']);
  assert.equal(run.values.interactive, false);
});

const failures: [string[], string][] = [
  [['--foo'], 'unknown flag: --foo'],
  [['-aZ'], "unknown shorthand flag: 'Z' in -Z"],
  [['--name'], 'flag needs an argument: --name'],
  [['-an'], "flag needs an argument: 'n' in -n"],
  [['---'], 'bad flag syntax: ---'],
  [['--=x'], 'bad flag syntax: --=x'],
  [['--last', 'x'], 'invalid argument "x" for "--last" flag: strconv.ParseInt: parsing "x": invalid syntax'],
  [['-a=x'], 'invalid argument "x" for "-a, --all" flag: strconv.ParseBool: parsing "x": invalid syntax'],
  [['-f', 'x'], 'invalid argument "x" for "-f, --filter" flag: bad format of filter (expected name=value)'],
  [['--__proto__'], 'unknown flag: --__proto__'],
];
for (const [args, message] of failures) {
  test(`${args.join(' ')} is refused`, () => assert.throws(() => parse(...args), new FlagError(message)));
}

test('help is wanted by both names', () => {
  assert.throws(() => parse('--help'), HelpWanted);
  assert.throws(() => parse('-h'), HelpWanted);
});

test('whole numbers are in the grammar of Go', () => {
  const read = (text: string) => parseInteger(text, -1000, 1000);
  assert.deepEqual(['7', '-7', '+7', '0x1f', '0b11', '0o17', '017'].map(read), [7, -7, 7, 31, 3, 15, 15]);
  for (const text of ['', '1.5', '1e3', '08', '0x', ' 1']) assert.throws(() => read(text), /invalid syntax/);
  assert.throws(() => read('1001'), /value out of range/);
});

test('filters become the JSON of the Engine API', () => {
  const { values } = parse('-f', 'Status = b', '-f', 'status=a', '-f', 'label=x=y');
  assert.equal(filtersJson(values.filter), '{"label":{"x=y":true},"status":{"a":true,"b":true}}');
  assert.equal(filtersJson(new Map()), undefined);
});
