import { CliError } from '../errors.ts';

/** `os[/arch[/variant]]` as the engine's `platform` parameter of archives. @throws CliError */
export function platformJson(text: string): string {
  const parts = text.split('/');
  const [os, architecture, variant] = parts;
  if (parts.length > 3 || parts.includes('')) {
    throw new CliError(`invalid platform: "${text}": expected os[/arch[/variant]]`);
  }
  return JSON.stringify({ architecture: architecture ?? '', os, ...(variant === undefined ? {} : { variant }) });
}
