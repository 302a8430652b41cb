import { alignTabs } from '../../base/text/table.ts';
import type { Dockerfile } from '../dockerfile/parse.ts';
import { lineLocation, type Location, sourceText } from './_location.ts';

/** A stage as somebody may ask for it. */
interface Target {
  readonly name?: string;
  readonly default?: boolean;
  readonly description?: string;
  readonly base: string;
  readonly platform?: string;
  readonly location: Location;
}

function targetsOf({ stages }: Dockerfile): Target[] {
  return stages.map(({ from, index }) => ({
    ...(from.name === '' ? {} : { name: from.name }),
    ...(index === stages.length - 1 ? { default: true } : {}),
    ...(from.description === '' ? {} : { description: from.description }),
    base: from.base.text,
    ...(from.platform === undefined ? {} : { platform: from.platform.text }),
    location: lineLocation(from.range),
  }));
}

/** The stages of a file as the JSON that clients ask for by `--call=targets` (BuildKit, frontend.targets 1.0.0). */
export function targetsJson(file: Dockerfile): string {
  return JSON.stringify({ targets: targetsOf(file), sources: [sourceText(file)] }, undefined, 2);
}

/** The same for people. */
export function printTargets(file: Dockerfile): string {
  const rows = targetsOf(file).map(({ name = '', default: isDefault = false, description = '' }) => {
    const shown = isDefault ? `${name} (default)`.trimStart() : name;
    return `${shown}\t${description}\n`;
  });
  return alignTabs(`TARGET\tDESCRIPTION\n${rows.join('')}`, { minWidth: 0, padding: 1 });
}
