const truths = new Map([
  ...['1', 't', 'T', 'TRUE', 'true', 'True'].map((text) => [text, true] as const),
  ...['0', 'f', 'F', 'FALSE', 'false', 'False'].map((text) => [text, false] as const),
]);

/** Go's spellings of true and false; undefined for anything else. */
export const booleanOf = (text: string): boolean | undefined => truths.get(text);

/** A key and its value, which is undefined without a `=`. Keys are written in any case. */
export function keyAndValue(field: string): { key: string; value: string | undefined } {
  const equals = field.indexOf('=');
  if (equals < 0) return { key: field.toLowerCase(), value: undefined };
  return { key: field.slice(0, equals).toLowerCase(), value: field.slice(equals + 1) };
}
