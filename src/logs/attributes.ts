import { hostname } from 'node:os';
import { formatTime } from '../base/clock.ts';
import { compilePattern } from '../base/text/pattern.ts';
import { evaluate, parse } from '../base/text/template/evaluate.ts';
import { goJson, Struct } from '../base/text/template/values.ts';
import type { LoggedContainer, LogSettings } from '../spec/contract/logs.ts';

type Options = LogSettings['options'];

/** What a tag is where no option names one: the beginning of the container's id. */
export const defaultTag = '{{.ID}}';

/** The beginning of an id, without the name of a digest's algorithm. */
const short = (id: string): string => id.slice(id.indexOf(':') + 1).slice(0, 12);

/**
 * What the options `labels`, `labels-regex`, `env` and `env-regex` choose of a container, in this order: a later value
 * of the same name wins. `rename` makes a driver's names of those of labels and variables.
 * @throws EngineError `invalid` for an expression that is none.
 */
export function chosenAttributes(
  container: LoggedContainer,
  options: Options,
  rename: (name: string) => string = (name) => name,
): Map<string, string> {
  const chosen = new Map<string, string>();
  const variables = new Map<string, string>();
  for (const text of container.env) {
    const equals = text.indexOf('=');
    if (equals >= 0) variables.set(text.slice(0, equals), text.slice(equals + 1));
  }
  const take = (from: ReadonlyMap<string, string>, list: string | undefined, pattern: string | undefined) => {
    for (const name of list === undefined || list === '' ? [] : list.split(',')) {
      const value = from.get(name);
      if (value !== undefined) chosen.set(rename(name), value);
    }
    if (pattern === undefined || pattern === '') return;
    const compiled = compilePattern(pattern);
    for (const [name, value] of from) if (compiled.test(name)) chosen.set(rename(name), value);
  };
  take(new Map(Object.entries(container.labels)), options['labels'], options['labels-regex']);
  take(variables, options['env'], options['env-regex']);
  return chosen;
}

/** See `ContainerLogs.attributes`. */
export function entryAttributes(container: LoggedContainer, { options }: LogSettings): Map<string, string> {
  const attributes = chosenAttributes(container, options);
  const tag = options['tag'];
  if (tag !== undefined && tag !== '') {
    const text = logTag(container, options);
    if (text !== '') attributes.set('tag', text);
  }
  return attributes;
}

/** The tag of a container: the option `tag` as a template, or the default one. @throws TemplateError */
export function logTag(container: LoggedContainer, options: Options): string {
  const template = options['tag'] === undefined || options['tag'] === '' ? defaultTag : options['tag'];
  return template.includes('{{') ? evaluate(parse(template), tagFields(container, options)) : template;
}

export const commandOf = ({ entrypoint, args }: LoggedContainer): string => [entrypoint, ...args].join(' ');

function tagFields(container: LoggedContainer, options: Options): Struct {
  const fields = new Map<string, unknown>([
    ['Config', new Map(Object.entries(options))],
    ['ContainerID', container.id],
    ['ContainerName', `/${container.name}`],
    ['ContainerEntrypoint', container.entrypoint],
    ['ContainerArgs', container.args],
    ['ContainerImageID', container.imageId],
    ['ContainerImageName', container.imageName],
    ['ContainerCreated', formatTime(container.createdNs)],
    ['ContainerEnv', container.env],
    ['ContainerLabels', new Map(Object.entries(container.labels))],
    ['DaemonName', 'docker'],
    ['ID', short(container.id)],
    ['FullID', container.id],
    ['Name', container.name],
    ['Command', commandOf(container)],
    ['ImageID', short(container.imageId)],
    ['ImageFullID', container.imageId],
    ['ImageName', container.imageName],
    ['Hostname', hostname()],
  ]);
  return new Struct('*logger.Info', fields, () => goJson(container.id));
}
