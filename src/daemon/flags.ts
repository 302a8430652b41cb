import { invalid } from '../base/errors.ts';

/** How one setting is written: as a flag of `gantry daemon`, and as a key of daemon.json. Names are dockerd's. */
interface Setting {
  readonly flag: string;
  readonly short?: string;
  /** Key in daemon.json; absent for what only a command line can say. */
  readonly key?: string;
  readonly type: 'text' | 'switch' | 'list' | 'map';
  readonly help: string;
}

/** What this engine understands; everything else is refused, with the nearest name. */
export const settings: readonly Setting[] = [
  { flag: 'host', short: 'H', key: 'hosts', type: 'list', help: 'Socket to serve the API on: unix:///path' },
  { flag: 'data-root', key: 'data-root', type: 'text', help: 'Where images, containers and volumes are kept' },
  { flag: 'exec-root', key: 'exec-root', type: 'text', help: 'Where files live that end with the host' },
  { flag: 'pidfile', short: 'p', key: 'pidfile', type: 'text', help: 'File for the process id' },
  { flag: 'config-file', type: 'text', help: 'Settings as JSON' },
  { flag: 'debug', short: 'D', key: 'debug', type: 'switch', help: 'Log at level debug' },
  {
    flag: 'log-level',
    short: 'l',
    key: 'log-level',
    type: 'text',
    help: 'Least level to log: debug, info, warn or error',
  },
  { flag: 'group', short: 'G', key: 'group', type: 'text', help: 'Group that may use the socket' },
  { flag: 'docker-socket', key: 'docker-socket', type: 'switch', help: 'Serve /var/run/docker.sock too' },
  { flag: 'cgroup-parent', key: 'cgroup-parent', type: 'text', help: 'Cgroup that holds the containers' },
  { flag: 'default-runtime', key: 'default-runtime', type: 'text', help: 'OCI runtime of containers that name none' },
  { flag: 'log-driver', key: 'log-driver', type: 'text', help: 'Log driver of containers that name none' },
  { flag: 'log-opt', key: 'log-opts', type: 'map', help: 'Options of the log driver: max-size, max-file, ...' },
  {
    flag: 'insecure-registry',
    key: 'insecure-registries',
    type: 'list',
    help: 'Registry that may be used without TLS',
  },
  { flag: 'dns', key: 'dns', type: 'list', help: 'Name server for containers' },
];

export type SettingValue = string | boolean | readonly string[] | Readonly<Record<string, string>>;
/** Values by flag name; only what was said. */
export type SettingValues = ReadonlyMap<string, SettingValue>;

/**
 * Reads a command line in dockerd's grammar (`--flag value`, `--flag=value`, `-H value`).
 * @throws EngineError `invalid` for an unknown flag, a missing value or a stray argument.
 */
export function parseFlags(args: readonly string[]): SettingValues {
  const values = new Map<string, SettingValue>();
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (!arg.startsWith('-') || arg === '-') throw invalid(`unexpected argument: ${arg}`);
    const equals = arg.indexOf('=');
    const name = equals < 0 ? arg : arg.slice(0, equals);
    const setting = findFlag(name);
    let text = equals < 0 ? undefined : arg.slice(equals + 1);
    if (setting.type === 'switch') {
      addValue(values, setting, text ?? 'true');
      continue;
    }
    if (text === undefined) text = args[++at];
    if (text === undefined) throw invalid(`flag needs an argument: ${name}`);
    addValue(values, setting, text);
  }
  return values;
}

function findFlag(name: string): Setting {
  const bare = name.startsWith('--') ? name.slice(2) : name.slice(1);
  const found = settings.find((setting) => (name.startsWith('--') ? setting.flag === bare : setting.short === bare));
  if (found !== undefined) return found;
  const nearest = nearestName(
    bare,
    settings.map((setting) => setting.flag),
  );
  throw invalid(`unknown flag: ${name}${nearest === undefined ? '' : ` (did you mean --${nearest}?)`}`);
}

function addValue(values: Map<string, SettingValue>, setting: Setting, text: string): void {
  const name = setting.flag;
  switch (setting.type) {
    case 'text':
      values.set(name, text);
      break;
    case 'switch':
      if (text !== 'true' && text !== 'false') throw invalid(`invalid argument ${JSON.stringify(text)} for --${name}`);
      values.set(name, text === 'true');
      break;
    case 'list':
      values.set(name, [...((values.get(name) as readonly string[] | undefined) ?? []), text]);
      break;
    case 'map': {
      const equals = text.indexOf('=');
      if (equals < 1) throw invalid(`invalid argument ${JSON.stringify(text)} for --${name}: expected KEY=VALUE`);
      const map = (values.get(name) as Record<string, string> | undefined) ?? {};
      values.set(name, { ...map, [text.slice(0, equals)]: text.slice(equals + 1) });
    }
  }
}

/**
 * Reads the text of a daemon.json.
 * @throws EngineError `invalid` for broken JSON, unknown keys (naming the nearest) and wrong types.
 */
export function parseConfigFile(text: string, path: string): SettingValues {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid(`unable to read configuration file ${path}: ${(error as Error).message}`, error);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw invalid(`unable to read configuration file ${path}: expected a JSON object`);
  }
  const values = new Map<string, SettingValue>();
  for (const [key, value] of Object.entries(parsed)) {
    const setting = settings.find((candidate) => candidate.key === key);
    if (setting === undefined) {
      const nearest = nearestName(
        key,
        settings.flatMap((candidate) => candidate.key ?? []),
      );
      const hint = nearest === undefined ? '' : ` (did you mean ${JSON.stringify(nearest)}?)`;
      throw invalid(`configuration file ${path} has an unknown key: ${JSON.stringify(key)}${hint}`);
    }
    values.set(setting.flag, checkedValue(setting, value, path));
  }
  return values;
}

function checkedValue(setting: Setting, value: unknown, path: string): SettingValue {
  const isText = (item: unknown): item is string => typeof item === 'string';
  const wrong = (expected: string) =>
    invalid(`configuration file ${path}: ${JSON.stringify(setting.key)} must be ${expected}`);
  switch (setting.type) {
    case 'text':
      if (!isText(value)) throw wrong('a string');
      return value;
    case 'switch':
      if (typeof value !== 'boolean') throw wrong('true or false');
      return value;
    case 'list':
      if (!Array.isArray(value) || !value.every(isText)) throw wrong('a list of strings');
      return value;
    case 'map':
      if (typeof value !== 'object' || value === null || !Object.values(value).every(isText)) {
        throw wrong('an object of strings');
      }
      return value as Record<string, string>;
  }
}

/** The known name that differs least from `name`, when it is near enough to be meant. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein's distance, row by row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
