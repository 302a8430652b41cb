import { invalid } from '../base/errors.ts';

const isAlphanumeric = (code: number): boolean =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122);

/**
 * Docker's grammar for names of local volumes: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, at most 255 bytes (a file name).
 * @throws EngineError `invalid` in Docker's words.
 */
export function checkVolumeName(name: string): void {
  if (name.length === 1) {
    throw invalid(`create ${name}: volume name is too short, names should be at least two alphanumeric characters`);
  }
  let sound = name.length <= 255 && isAlphanumeric(name.charCodeAt(0));
  for (let at = 1; at < name.length && sound; at++) {
    sound = isAlphanumeric(name.charCodeAt(at)) || '_.-'.includes(name[at] ?? '');
  }
  if (sound) return;
  const shown = JSON.stringify(name.slice(0, 255));
  throw invalid(
    `create ${name.slice(0, 255)}: ${shown} includes invalid characters for a local volume name, only ` +
      `"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
  );
}
