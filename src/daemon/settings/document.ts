import type { Setting, SettingValue } from './setting.ts';

/** Values that find out what a setting says of itself, whatever its type. */
const samples: readonly SettingValue[] = [true, false, 1, 'x', ['x'], ['native.cgroupdriver=systemd'], {}];

/** The row of docs/daemon.md that tells of a setting. */
export function settingRow(setting: Setting): string {
  const flag = setting.keyOnly === true ? '' : `\`--${setting.flag}\``;
  const keys = [setting.key, setting.oldKey].flatMap((key) => (key === undefined ? [] : [`\`${key}\``]));
  return `| ${flag} | ${keys.join(', ')} | ${setting.help} | ${effectOf(setting)} |`;
}

const origins = { none: 'as in Docker', setting: "Gantry's own", values: "as in Docker, with Gantry's own values" };

/** What it does here, in one sentence: its effect, or what the log says, or why it is refused. */
function effectOf({ note, refuse, own }: Setting): string {
  const said = (ask: Setting['note']): string | undefined => firstOf(samples.map((value) => asked(ask, value)));
  const refusal = said(refuse);
  if (refusal !== undefined) return `refused: ${refusal}`;
  const remark = said(note);
  return remark === undefined ? origins[own ?? 'none'] : `logged: ${remark}`;
}

function asked(ask: Setting['note'], value: SettingValue): string | undefined {
  try {
    return ask?.(value);
  } catch {
    // A value of another type than the setting's.
    return undefined;
  }
}

const firstOf = (texts: readonly (string | undefined)[]): string | undefined =>
  texts.find((text) => text !== undefined);
