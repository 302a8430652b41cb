const secretWords: ReadonlySet<string> = new Set([
  'apikey',
  'auth',
  'credential',
  'credentials',
  'key',
  'passwd',
  'password',
  'pword',
  'secret',
  'token',
]);
/** Names with one of these are of something that may be seen. */
const harmlessWords: ReadonlySet<string> = new Set(['file', 'public', 'version']);

/** Whether the name of a variable, taken apart at its underscores, is one that people give to secrets. */
export function looksSecret(name: string): boolean {
  const words = name.toLowerCase().split('_');
  return words.some((word) => secretWords.has(word)) && !words.some((word) => harmlessWords.has(word));
}
