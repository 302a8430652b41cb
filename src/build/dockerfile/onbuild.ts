import { type Common, commonOf } from './_arguments.ts';
import { readFlags } from './_flags.ts';
import { DockerfileError } from './error.ts';
import type { Statement } from './statement.ts';

/** An instruction for builds on the image that comes of this one. */
export interface OnbuildInstruction extends Common {
  readonly kind: 'onbuild';
  /** As an image's configuration keeps it: one line, or with heredocs below. */
  readonly trigger: string;
  /** The same as tokens. */
  readonly statement: Statement;
}

export function readOnbuild(outer: Statement): OnbuildInstruction {
  const { args, keyword } = outer;
  if (args.form !== 'statement') throw new DockerfileError('ONBUILD requires at least one argument', keyword.range);
  readFlags(outer, {});
  const { statement } = args;
  const name = statement.keyword.text.toUpperCase();
  const { range } = statement.keyword;
  if (name === 'ONBUILD') throw new DockerfileError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", range);
  if (name === 'FROM' || name === 'MAINTAINER') {
    throw new DockerfileError(`${name} isn't allowed as an ONBUILD trigger`, range);
  }
  const documents = outer.heredocs.map(({ content, name: end }) => `\n${content}${end}`);
  const trigger = statement.source + documents.join('');
  return { kind: 'onbuild', ...commonOf(outer), trigger, statement: { ...statement, heredocs: outer.heredocs } };
}
