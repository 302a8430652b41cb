import type { Filters } from '../spec/engine/filters.ts';

type Labels = Readonly<Record<string, string>>;

/**
 * Docker 29's rule for the filters `label` and `label!` of images: every value of both must hold by itself. `key=value`
 * wants exactly this label, `key` any value of it; `key!=value` is `label!` in other words.
 */
export function imageLabelTest(filters: Filters): ((labels: Labels) => boolean) | undefined {
  const checks = ['label', 'label!'].flatMap((name) =>
    (filters.get(name) ?? []).map((text) => labelCheck(text, name === 'label!')),
  );
  return checks.length === 0 ? undefined : (labels) => checks.every((holds) => holds(labels));
}

function labelCheck(text: string, isNegated: boolean): (labels: Labels) => boolean {
  const at = text.indexOf('=');
  const written = at < 0 ? text : text.slice(0, at);
  const isFlipped = written.endsWith('!');
  const key = isFlipped ? written.slice(0, -1) : written;
  const value = at < 0 ? undefined : text.slice(at + 1);
  const unwanted = isNegated !== isFlipped;
  return (labels) => (Object.hasOwn(labels, key) && (value === undefined || labels[key] === value)) !== unwanted;
}
