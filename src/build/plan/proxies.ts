const known = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'];

/**
 * The variables that RUN sees of the build arguments that name proxies, in any case of letters and without any ARG: each in
 * upper and in lower case, as programs look for the one or the other.
 */
export function proxyVariables(args: ReadonlyMap<string, string>): readonly string[] {
  const given = new Map([...args].map(([name, value]) => [name.toUpperCase(), value]));
  return known.flatMap((name) => {
    const value = given.get(name) ?? '';
    return value === '' ? [] : [`${name}=${value}`, `${name.toLowerCase()}=${value}`];
  });
}
