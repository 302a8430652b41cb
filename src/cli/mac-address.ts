import { CliError } from './errors.ts';

/** @throws CliError unless `text` is a hardware address. */
export function checkMac(text: string): void {
  const isMac = /^([0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5,19}|[0-9a-fA-F]{4}(\.[0-9a-fA-F]{4}){2,9})$/.test(text.trim());
  if (!isMac) throw new CliError(`${text} is not a valid mac address`);
}
