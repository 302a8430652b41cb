import type { TarMember } from '../support/tar.ts';
import { busybox } from './_docker.ts';

/** One build: its Dockerfile, after the lines that all have, its other files and its options. */
export interface KeyedBuild {
  readonly lines: readonly string[];
  readonly files?: readonly TarMember[];
  /** Parameters of `POST /build`. */
  readonly options?: Readonly<Record<string, string>>;
}

/** What is built after what, and which steps are done again; all others come out of the cache. */
export interface KeyCase {
  readonly title: string;
  readonly first: KeyedBuild;
  readonly second: KeyedBuild;
  /** The steps as they are told, without their numbers. */
  readonly again: readonly string[];
}

const file = (name: string, body = name, more: Partial<TarMember> = {}): TarMember => ({ name, body, ...more });
const args = (values: Readonly<Record<string, string>>) => ({ buildargs: JSON.stringify(values) });
const copied = ['COPY a /a', 'RUN true'];
const tree = [file('d/x'), file('d/y')];
const plain: KeyedBuild = { lines: ['RUN true'] };

/** The same lines, with other files or options. */
const same = (first: KeyedBuild, more: Omit<KeyedBuild, 'lines'>): KeyedBuild => ({ ...first, ...more });

function hit(title: string, first: KeyedBuild, second: KeyedBuild): KeyCase {
  return { title, first, second, again: [] };
}

function miss(title: string, first: KeyedBuild, second: KeyedBuild, ...again: string[]): KeyCase {
  return { title, first, second, again };
}

const withA: KeyedBuild = { lines: copied, files: [file('a')] };
const withTree: KeyedBuild = { lines: ['COPY d /d', 'RUN true'], files: tree };
const withSome: KeyedBuild = { lines: ['COPY d/x* /d/', 'RUN true'], files: tree };
const withArg: KeyedBuild = { lines: ['RUN echo before', 'ARG A=1', 'RUN echo after'] };
const usingArg: KeyedBuild = { lines: ['ARG A=1', 'COPY a /a', 'RUN true'], files: [file('a')] };
const staged: KeyedBuild = {
  lines: [`FROM ${busybox} AS tool`, 'COPY a /tool', `FROM ${busybox}`, 'COPY --from=tool /tool /t', 'RUN true'],
  files: [file('a')],
};
const making = (command: string): KeyedBuild => ({
  lines: [
    `FROM ${busybox} AS tool`,
    'COPY a /tool',
    `RUN ${command}`,
    `FROM ${busybox}`,
    'COPY --from=tool /tool /t',
    'RUN true',
  ],
  files: [file('a')],
});
const bound: KeyedBuild = { lines: ['RUN --mount=type=bind,target=/m cat /m/d/x'], files: tree };
const boundPart: KeyedBuild = {
  lines: ['RUN --mount=type=bind,source=d,target=/m ls /m'],
  files: [...tree, file('other')],
};

const files: readonly KeyCase[] = [
  hit('the same once more', withA, withA),
  hit('a file with another time', withA, same(withA, { files: [file('a', 'a', { mtime: 1 })] })),
  hit('a file of another owner', withA, same(withA, { files: [file('a', 'a', { uid: 5, gid: 6 })] })),
  hit('a file more that nothing takes', withA, same(withA, { files: [file('a'), file('b')] })),
  hit('members in another order', withTree, same(withTree, { files: tree.toReversed() })),
  hit('a directory that the archive describes', withTree, same(withTree, { files: [{ name: 'd/' }, ...tree] })),
  hit('a file more beside a pattern', withSome, same(withSome, { files: [...tree, file('d/z')] })),
  hit(
    'a file more that is ignored',
    { lines: ['COPY . /all'], files: [file('.dockerignore', 'log\n')] },
    { lines: ['COPY . /all'], files: [file('.dockerignore', 'log\n'), file('log')] },
  ),
  miss('another content', withA, same(withA, { files: [file('a', 'b')] }), 'COPY a /a', 'RUN true'),
  miss('content of the same length', withA, same(withA, { files: [file('a', 'c')] }), 'COPY a /a', 'RUN true'),
  miss('another mode', withA, same(withA, { files: [file('a', 'a', { mode: 0o755 })] }), 'COPY a /a', 'RUN true'),
  miss(
    'a link instead of a file, to the same content',
    withTree,
    same(withTree, { files: [file('d/x'), { name: 'd/y', type: 'symlink', link: 'x' }] }),
    'COPY d /d',
    'RUN true',
  ),
  miss(
    'a link to somewhere else',
    { lines: ['COPY d /d'], files: [{ name: 'd/l', type: 'symlink', link: 'x' }] },
    { lines: ['COPY d /d'], files: [{ name: 'd/l', type: 'symlink', link: 'y' }] },
    'COPY d /d',
  ),
  miss('a file more in a folder', withTree, same(withTree, { files: [...tree, file('d/z')] }), 'COPY d /d', 'RUN true'),
  miss('a file less in a folder', withTree, same(withTree, { files: [file('d/x')] }), 'COPY d /d', 'RUN true'),
  miss(
    'a file with another name',
    withTree,
    same(withTree, { files: [file('d/x'), file('d/Y', 'd/y')] }),
    'COPY d /d',
    'RUN true',
  ),
  miss(
    'an empty folder more',
    withTree,
    same(withTree, { files: [...tree, { name: 'd/e/' }] }),
    'COPY d /d',
    'RUN true',
  ),
  miss(
    'one more for a pattern',
    withSome,
    same(withSome, { files: [...tree, file('d/x2')] }),
    'COPY d/x* /d/',
    'RUN true',
  ),
  miss(
    'another mode of a folder',
    withTree,
    same(withTree, { files: [{ name: 'd/', mode: 0o700 }, ...tree] }),
    'COPY d /d',
    'RUN true',
  ),
];

const copies: readonly KeyCase[] = [
  hit('words of COPY with other blanks', withA, { lines: ['COPY   a    /a', 'RUN true'], files: [file('a')] }),
  miss(
    'ADD, which would unpack it',
    withA,
    { lines: ['ADD a /a', 'RUN true'], files: [file('a')] },
    'ADD a /a',
    'RUN true',
  ),
  miss(
    'another owner',
    withA,
    { lines: ['COPY --chown=5 a /a', 'RUN true'], files: [file('a')] },
    'COPY --chown=5 a /a',
    'RUN true',
  ),
  miss(
    'bits of a mode',
    withA,
    { lines: ['COPY --chmod=700 a /a', 'RUN true'], files: [file('a')] },
    'COPY --chmod=700 a /a',
    'RUN true',
  ),
  miss('another place', withA, { lines: ['COPY a /b', 'RUN true'], files: [file('a')] }, 'COPY a /b', 'RUN true'),
  miss(
    'another order',
    { lines: ['COPY a /a', 'COPY b /b'], files: [file('a'), file('b')] },
    { lines: ['COPY b /b', 'COPY a /a'], files: [file('a'), file('b')] },
    'COPY b /b',
    'COPY a /a',
  ),
  miss(
    'an exception',
    withTree,
    { lines: ['COPY --exclude=y d /d', 'RUN true'], files: tree },
    'COPY --exclude=y d /d',
    'RUN true',
  ),
  hit('a heredoc', { lines: ['COPY <<E /e', 'text', 'E'] }, { lines: ['COPY <<E /e', 'text', 'E'] }),
  miss(
    'a heredoc with another text',
    { lines: ['COPY <<E /e', 'text', 'E'] },
    { lines: ['COPY <<E /e', 'Text', 'E'] },
    'COPY <<E /e',
  ),
  miss(
    'a variable in a heredoc',
    { lines: ['ARG A', 'COPY <<E /e', '$A', 'E'], options: args({ A: '1' }) },
    { lines: ['ARG A', 'COPY <<E /e', '$A', 'E'], options: args({ A: '2' }) },
    'COPY <<E /e',
  ),
  hit('a stage with another name', staged, {
    ...staged,
    lines: staged.lines.map((line) => line.replace('AS tool', 'AS other').replace('=tool', '=other')),
  }),
  miss(
    'another file in a stage that is copied from',
    staged,
    same(staged, { files: [file('a', 'b')] }),
    'COPY a /tool',
    'COPY --from=tool /tool /t',
    'RUN true',
  ),
  miss('a stage that was made anew and gives the same file', making('echo 1'), making('echo 2'), 'RUN echo 2'),
  miss(
    'a stage that gives the file another mode',
    making('true'),
    making('chmod 600 /tool'),
    'RUN chmod 600 /tool',
    'COPY --from=tool /tool /t',
    'RUN true',
  ),
];

const settings: readonly KeyCase[] = [
  hit('comments and empty lines', plain, { lines: ['# why', '', '  RUN true'] }),
  hit('a keyword in small letters', plain, { lines: ['run true'] }),
  hit('a command over two lines', { lines: ['RUN echo a b'] }, { lines: ['RUN echo a \\', 'b'] }),
  hit('labels', { lines: ['LABEL a=1', 'RUN true'] }, { lines: ['LABEL a=2', 'RUN true'] }),
  hit('labels by an option', plain, same(plain, { options: { labels: '{"a":"b"}' } })),
  hit('EXPOSE, VOLUME, CMD, STOPSIGNAL', plain, {
    lines: ['EXPOSE 1', 'VOLUME /v', 'CMD x', 'STOPSIGNAL 9', 'RUN true'],
  }),
  hit('a setting after it', plain, { lines: ['RUN true', 'ENV A=1', 'USER 5'] }),
  hit('an argument after it', withArg, same(withArg, { options: args({ B: 'x' }) })),
  hit('an argument that is the default', withArg, same(withArg, { options: args({ A: '1' }) })),
  hit(
    'an argument that COPY does not use',
    { lines: ['ARG A=1', 'COPY a /a'], files: [file('a')] },
    { lines: ['ARG A=2', 'COPY a /a'], files: [file('a')] },
  ),
  hit('a proxy', plain, same(plain, { options: args({ HTTP_PROXY: 'http://p' }) })),
  hit('ENV that says what an argument said', { lines: ['ARG A=1', 'RUN true'] }, { lines: ['ENV A=1', 'RUN true'] }),
  hit('an argument with no value', plain, { lines: ['ARG A', 'RUN true'] }),
  miss('another argument', withArg, same(withArg, { options: args({ A: '2' }) }), 'RUN echo after'),
  miss('an argument for COPY and what follows', usingArg, same(usingArg, { options: args({ A: '2' }) }), 'RUN true'),
  miss('another variable', { lines: ['ENV A=1', 'RUN true'] }, { lines: ['ENV A=2', 'RUN true'] }, 'RUN true'),
  miss('another command', plain, { lines: ['RUN true ""'] }, 'RUN true ""'),
  miss('another user', plain, { lines: ['USER 5', 'RUN true'] }, 'RUN true'),
  miss('another shell', plain, { lines: ['SHELL ["sh", "-c"]', 'RUN true'] }, 'RUN true'),
  miss('without a shell', plain, { lines: ['RUN ["true"]'] }, 'RUN ["true"]'),
  miss('a working folder', plain, { lines: ['WORKDIR /w', 'RUN true'] }, 'WORKDIR /w', 'RUN true'),
  miss('the network', plain, { lines: ['RUN --network=none true'] }, 'RUN --network=none true'),
  miss('the network by an option', plain, same(plain, { options: { networkmode: 'none' } }), 'RUN true'),
  miss('names of hosts', plain, same(plain, { options: { extrahosts: 'a:1.2.3.4' } }), 'RUN true'),
  miss('limits', plain, same(plain, { options: { ulimits: '[{"Name":"nofile","Soft":99,"Hard":99}]' } }), 'RUN true'),
  miss('shared memory', plain, same(plain, { options: { shmsize: '1000000' } }), 'RUN true'),
  miss('no cache wished', plain, same(plain, { options: { nocache: '1' } }), 'COPY own /own', 'RUN true'),
  miss(
    'a step before it',
    { lines: ['RUN true', 'RUN echo 2'] },
    { lines: ['RUN false || true', 'RUN echo 2'] },
    'RUN false || true',
    'RUN echo 2',
  ),
  miss(
    'a step in between',
    { lines: ['RUN true', 'RUN echo 2'] },
    { lines: ['RUN true', 'RUN echo 1', 'RUN echo 2'] },
    'RUN echo 1',
    'RUN echo 2',
  ),
];

const mounts: readonly KeyCase[] = [
  hit('what a mount shows is the same', bound, bound),
  miss('what a mount shows is another', bound, same(bound, { files: [file('d/x', 'X'), file('d/y')] }), ...bound.lines),
  hit('beside what a mount shows', boundPart, same(boundPart, { files: [...tree, file('other', 'changed')] })),
  hit(
    'what is in a cache mount',
    { lines: ['RUN --mount=type=cache,target=/c date >> /c/dates'] },
    { lines: ['RUN --mount=type=cache,target=/c date >> /c/dates'] },
  ),
  miss(
    'a mount more',
    plain,
    { lines: ['RUN --mount=type=tmpfs,target=/t true'] },
    'RUN --mount=type=tmpfs,target=/t true',
  ),
  miss(
    'a script in a heredoc',
    { lines: ['RUN <<E', '#!/bin/sh', 'true', 'E'] },
    { lines: ['RUN <<E', '#!/bin/sh', 'true 2', 'E'] },
    'RUN <<E (#!/bin/sh...)',
  ),
];

export const keyCases: readonly KeyCase[] = [...files, ...copies, ...settings, ...mounts];
