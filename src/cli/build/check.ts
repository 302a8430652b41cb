import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkDockerfile } from '../../build/check/check.ts';
import { checkJson, printCheck, printFault } from '../../build/check/print.ts';
import { assemble } from '../../build/dockerfile/include.ts';
import { limits, type Source } from '../../build/dockerfile/source.ts';
import { parseIgnoreFile } from '../../build/ignore/ignore-file.ts';
import { PathMatcher } from '../../build/ignore/matcher.ts';
import { plainOptions } from '../../build/plan/options.ts';
import { messageOf } from '../../base/errors.ts';
import { hostPlatform, parsePlatform } from '../../spec/oci/platform.ts';
import { atMost, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, listOf, types } from '../flags/types.ts';
import { buildArguments } from './_attributes.ts';

export const check = defineCommand({
  usage: '[OPTIONS] [PATH | -]',
  summary: 'Check a Dockerfile, without building anything',
  details:
    'PATH is the folder with the Dockerfile, this one when it is left out; with - the Dockerfile is read from standard\n' +
    'input. No engine and no registry is asked: what base images contain is not known. Every check has a page in\n' +
    'docs/build-checks. The exit code is 1 when something was found.',
  flags: {
    'build-arg': flag(listOf(), 'Set a build argument: NAME=VALUE, or NAME to take it from the environment'),
    file: flag(types.string, 'Name of the Dockerfile (default "PATH/Dockerfile")', { short: 'f' }),
    format: flag(types.string, 'What is printed: text, or json', { initial: 'text', shown: '"text"' }),
    platform: flag(types.string, 'Platform that is built for'),
    target: flag(types.string, 'Check this stage and those that it needs only'),
  },
  args: atMost(1),
  async run({ session, flags, args: [path = '.'] }) {
    if (flags.format !== 'text' && flags.format !== 'json') {
      throw new CliError(`--format: ${JSON.stringify(flags.format)}: expected text or json`);
    }
    const host = hostPlatform(process.arch);
    // What is found is the same for all of several platforms.
    const [first = ''] = flags.platform.split(',');
    const { source, ignoreFile } = readInput(path, flags.file);
    const ignored = ignoreFile === undefined ? undefined : matcherOf(ignoreFile);
    const result = checkDockerfile({
      source,
      options: {
        ...plainOptions(host),
        args: buildArguments(flags['build-arg'], session.env),
        ...(flags.target === '' ? {} : { target: flags.target }),
        ...(first === '' ? {} : { targetPlatform: parsePlatform(first, host) }),
      },
      lookUp: () => 'unknown',
      ...(ignored === undefined ? {} : { ignored }),
    });
    if (flags.format === 'json') session.out(checkJson(source, result));
    else {
      session.out(printCheck(source, result));
      if (result.error !== undefined) session.err(`ERROR: ${printFault(source, result.error)}`);
    }
    return result.findings.length > 0 || result.error !== undefined ? 1 : 0;
  },
});

interface Input {
  readonly source: Source;
  /** The file with patterns for this Dockerfile, or the one for all. */
  readonly ignoreFile: Source | undefined;
}

function readInput(path: string, file: string): Input {
  if (path === '-') {
    if (file !== '') throw new CliError('--file and - exclude each other: the Dockerfile is read from standard input');
    return { source: { name: 'Dockerfile', text: readText(0, 'standard input') }, ignoreFile: undefined };
  }
  if (!isFolder(path))
    throw new CliError(`unable to prepare context: path ${JSON.stringify(path)} not found, or no folder`);
  const name = file === '' ? join(path, 'Dockerfile') : file;
  const source = withIncluded({ name: file === '' ? 'Dockerfile' : file, text: readText(name, name) }, dirname(name));
  const ignoreFile = [`${name}.dockerignore`, join(path, '.dockerignore')].find(isFile);
  if (ignoreFile === undefined) return { source, ignoreFile: undefined };
  return { source, ignoreFile: { name: ignoreFile, text: readText(ignoreFile, ignoreFile) } };
}

/** With the files that it includes, below its folder. */
function withIncluded(source: Source, folder: string): Source {
  const assembled = assemble(source, (path) => readText(join(folder, path), path));
  return assembled !== undefined && 'text' in assembled ? { ...source, text: assembled.text } : source;
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

/** @param from a path, or 0 for standard input */
function readText(from: string | 0, name: string): string {
  try {
    const size = from === 0 ? 0 : statSync(from).size;
    if (size > limits.fileBytes) throw new Error(`more than ${limits.fileBytes} bytes`);
    return readFileSync(from, 'utf8');
  } catch (error) {
    throw new CliError(`failed to read ${name}: ${messageOf(error)}`);
  }
}

function matcherOf({ name, text }: Source): PathMatcher {
  try {
    return new PathMatcher(parseIgnoreFile(text));
  } catch (error) {
    throw new CliError(`${name}: ${messageOf(error)}`);
  }
}
