/** Docker's names of the limits of setrlimit(2), with the kernel's. */
export const ulimitTypes: ReadonlyMap<string, string> = new Map(
  'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'
    .split(' ')
    .map((name) => [name, `RLIMIT_${name.toUpperCase()}`]),
);
