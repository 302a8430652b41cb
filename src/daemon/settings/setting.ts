/** How a setting is written. `switches` are names with true or false, `objects` structured values with own rules. */
export type SettingType = 'text' | 'switch' | 'number' | 'bytes' | 'list' | 'map' | 'switches' | 'objects';

export type SettingValue = string | boolean | number | readonly string[] | Readonly<Record<string, unknown>>;
/** Values by flag name; only what was said. */
export type SettingValues = ReadonlyMap<string, SettingValue>;

/** How a structured setting is read; both throw EngineError `invalid` with a reason that does not name the setting. */
export interface ObjectForm {
  /** Adds what one flag says to what the ones before it said. */
  fromFlag(before: Readonly<Record<string, unknown>>, text: string): Readonly<Record<string, unknown>>;
  /** The value of the key in daemon.json. */
  fromFile(value: unknown): Readonly<Record<string, unknown>>;
}

/** One setting: a flag of `gantry daemon`, and a key of daemon.json. Names are dockerd's, except of `own` ones. */
export interface Setting {
  readonly flag: string;
  readonly short?: string;
  /** Key in daemon.json; absent for what only a command line can say. */
  readonly key?: string;
  /** The key that an older configuration file has for it. */
  readonly oldKey?: string;
  /** Only daemon.json can say it. */
  readonly keyOnly?: boolean;
  readonly type: SettingType;
  readonly help: string;
  readonly form?: ObjectForm;
  /** Docker has no such setting, or has it with other values. */
  readonly own?: 'setting' | 'values';
  /** What the log says when it is given, because it does not do here what it does in Docker. */
  readonly note?: (value: SettingValue) => string | undefined;
  /** Why the engine does not start with this value. */
  readonly refuse?: (value: SettingValue) => string | undefined;
}

type More = Partial<Omit<Setting, 'flag' | 'type' | 'help'>>;

const of =
  (type: SettingType) =>
  (flag: string, help: string, more: More = {}): Setting => ({ flag, type, help, key: flag, ...more });

export const text = of('text');
export const toggle = of('switch');
export const number = of('number');
export const bytes = of('bytes');
export const list = of('list');
export const map = of('map');
export const switches = of('switches');
export const objects = of('objects');

/** For settings that only a command line has. */
export function flagOnly(setting: Setting): Setting {
  const bare: { -readonly [K in keyof Setting]: Setting[K] } = { ...setting };
  delete bare.key;
  return bare;
}

/** A setting that is understood and has nothing to act on here. */
export const always =
  (reason: string): ((value: SettingValue) => string) =>
  () =>
    reason;

/** For a switch: the reason counts when it is turned on. */
export const whenOn =
  (reason: string) =>
  (value: SettingValue): string | undefined =>
    value === true ? reason : undefined;

/** For a switch: the reason counts when it is turned off. */
export const whenOff =
  (reason: string) =>
  (value: SettingValue): string | undefined =>
    value === false ? reason : undefined;
