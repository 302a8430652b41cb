import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { evaluate, parse } from './evaluate.ts';
import { TemplateError } from './nodes.ts';
import { Struct } from './values.ts';

const data = { A: { B: [1, 2, 3], C: 'x' }, m: { b: 1, a: 'z' }, n: null, f: 1.5, t: true };
const run = (source: string): string => evaluate(parse(source), data);

const results: [string, string][] = [
  ['{{.A.B}} {{.m}}', '[1 2 3] map[a:z b:1]'],
  ['{{range .A.B}}{{.}},{{end}}', '1,2,3,'],
  ['{{range $i, $e := .A.B}}{{$i}}={{$e}} {{end}}', '0=1 1=2 2=3 '],
  ['{{range $k, $v := .m}}{{$k}}{{$v}}{{end}}', 'azb1'],
  ['{{range .n}}a{{else}}none{{end}}', 'none'],
  ['{{range .A.B}}{{if eq . 2}}{{continue}}{{end}}{{.}}{{end}}', '13'],
  ['{{range .A.B}}{{if eq . 2}}{{break}}{{end}}{{.}}{{end}}', '1'],
  ['{{json .}}', '{"A":{"B":[1,2,3],"C":"x"},"f":1.5,"m":{"a":"z","b":1},"n":null,"t":true}'],
  ['{{.x}}{{.n}}{{.m.zz}}', '<no value><no value><no value>'],
  ['{{if eq .A.C "y" "x"}}yes{{else if .n}}no{{else}}never{{end}}', 'yes'],
  ['{{with .A}}{{.C}}{{$.f}}{{else}}-{{end}}', 'x1.5'],
  ['{{index .m "a"}}{{index .A.B 1}}{{index .A "B" 2}}', 'z23'],
  ['{{printf "%-5s|%05d|%.2f|%q|%x|%v" .A.C 42 .f "hi" 255 .t}}', 'x    |00042|1.50|"hi"|ff|true'],
  ['{{printf "%d %s" 1}} {{printf "%d" "x"}}', '1 %!s(MISSING) %!d(string=x)'],
  ['a  {{- " b " -}}  c', 'a b c'],
  ['{{.A.C | upper | printf "%s-%s" "z"}}', 'z-X'],
  ['{{$x := 3}}{{$x}}{{$x = 4}}{{$x}}', '34'],
  ['{{len .m}}{{len "äb"}}{{slice "hello" 1 3}}', '23el'],
  [
    '{{join (split "a,b" ",") "-"}} {{title "hello world"}} {{pad "x" 1 2}}|{{truncate "hello" 2}}',
    'a-b Hello World  x  |he',
  ],
  ['{{and 1 0}}{{or 0 "x"}}{{not .t}}{{and .n .n.x}}', '0xfalse<no value>'],
  ['{{le 1 1}}{{gt 2 1}}{{ne "a" "b"}}{{lt 1 2}}{{ge 1 2}}', 'truetruetruetruefalse'],
  ['{{/* nothing */}}{{define "T"}}[{{.}}]{{end}}{{template "T" .A.C}}', '[x]'],
  ['{{`raw\\n`}}{{"tab\\t"}}{{println 1 "a"}}{{print 1 2 "a"}}', 'raw\\ntab\t1 a\n1 2a'],
  ['{{html "<a&b>"}}{{urlquery "a b&"}}', '&lt;a&amp;b&gt;a+b%26'],
];

for (const [source, wanted] of results) {
  test(`${source} gives ${JSON.stringify(wanted)}`, () => assert.equal(run(source), wanted));
}

const failures: [string, string][] = [
  ['{{', 'template: :1: unclosed action'],
  ['x\n{{foo}}', 'template: :2: function "foo" not defined'],
  ['{{if .A}}', 'template: :1: unexpected EOF'],
  ['{{end}}', 'template: :1: unexpected {{end}}'],
  ['{{$y}}', 'template: :1: undefined variable "$y"'],
  ['{{}}', 'template: :1: missing value for command'],
  ['{{if}}x{{end}}', 'template: :1: missing value for if'],
  ['{{"a}}', 'template: :1: unterminated quoted string'],
  ['{{(1}}', 'template: :1: unclosed left paren'],
  ['{{index .A.B 9}}', 'template: :1:2: executing "" at <index .A.B 9>: error calling index: index out of range: 9'],
  ['{{len}}', 'template: :1:2: executing "" at <len>: wrong number of args for len: want 1 got 0'],
  ['{{.A.C.D}}', 'template: :1:2: executing "" at <.A.C.D>: can\'t evaluate field D in type string'],
];

for (const [source, wanted] of failures) {
  test(`${source} fails`, () => assert.throws(() => run(source), { name: 'TemplateError', message: wanted }));
}

test('strict keys make a missing key an error', () => {
  assert.throws(() => evaluate(parse(' {{.A.Z}}'), data, { strictKeys: true }), {
    message: 'template: :1:3: executing "" at <.A.Z>: map has no entry for key "Z"',
  });
});

test('a struct knows its fields, its methods and its own JSON', () => {
  const fields = new Map<string, unknown>([
    ['ID', 'abc'],
    ['Label', (name: string) => `label ${name}`],
  ]);
  const value = new Struct('*some.Type', fields, () => '{"z":1,"a":2}');
  assert.equal(evaluate(parse('{{.ID}} {{.Label "x"}} {{json .}}'), value), 'abc label x {"z":1,"a":2}');
  assert.throws(() => evaluate(parse('{{.Foo}}'), value), {
    message: 'template: :1:2: executing "" at <.Foo>: can\'t evaluate field Foo in type *some.Type',
  });
});

test('no input does anything but print or throw a TemplateError', () => {
  const part = fc.constantFrom(
    '{{',
    '}}',
    '.',
    '.A',
    'range',
    'end',
    'else',
    'if',
    ' ',
    '(',
    ')',
    '|',
    '"x"',
    '$v',
    ':=',
    '1',
    '-',
    'x',
    'index',
    'json',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      try {
        run(parts.join(''));
      } catch (error) {
        assert.ok(error instanceof TemplateError, String(error));
      }
    }),
    { numRuns: 300 },
  );
});
