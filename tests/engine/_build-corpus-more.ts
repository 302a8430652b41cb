import { lines } from './_build-folder.ts';
import type { CorpusCase } from './_build-corpus.ts';
import { busybox } from './_docker.ts';

const from = `FROM ${busybox}`;
const dockerfile = (...text: readonly string[]): { readonly Dockerfile: string } => ({ Dockerfile: lines(...text) });
const some = { 'a.txt': 'a\n', 'b.txt': 'b\n', 'dir/c.txt': 'c\n', 'dir/sub/d.md': 'd\n' };

/** What was found by looking at Docker's builder from more sides. */
export const more: Readonly<Record<string, CorpusCase>> = {
  'links that are named keep their names': {
    files: { ...some, ...dockerfile(from, 'COPY link /', 'COPY dir/l* /all/', 'COPY dir/l1 /renamed') },
    links: { link: 'a.txt', 'dir/l0': 'c.txt', 'dir/l1': 'l2', 'dir/l2': '../b.txt' },
  },
  'links of a stage that are named': {
    files: dockerfile(
      `${from} AS other`,
      'RUN mkdir -p /out/sub && ln -s /out/sub /sub && echo data > /sub/foo && ln -s out/sub/foo /foo',
      from,
      'COPY --from=other /sub/foo .',
      'COPY --from=other /foo /got/',
      'RUN --mount=from=other,source=/sub,target=/m ls /m > /list',
      'RUN --mount=from=other,source=/foo,target=/f cat /f > /read',
    ),
  },
  'links on the way of mounts and copies': {
    files: {
      ...some,
      ...dockerfile(
        from,
        'RUN mv /usr /usr2 && ln -s usr2 /usr && mkdir /real && ln -s /real /l && ln -s ../../.. /up',
        'COPY a.txt /usr/share/x/',
        'COPY a.txt /up/here',
        'RUN touch /real/kept',
      ),
    },
  },
  'owners that the image does not know': {
    files: {
      ...some,
      ...dockerfile(
        from,
        'COPY --chown=nobody-here a.txt /1/',
        'COPY --chown=user:no-group a.txt /2/',
        'COPY --chown=user: a.txt /3/',
        'COPY --chown=:extra a.txt /4/',
      ),
    },
  },
  'what is merged into what is there': {
    files: {
      ...some,
      ...dockerfile(
        from,
        'RUN mkdir -p /x/dir/sub && chmod 700 /x/dir /x/dir/sub && chown 3:4 /x/dir /x/dir/sub && touch /x/dir/old',
        'COPY . /x',
        'COPY --from= b.txt /y/',
      ),
    },
    modes: { dir: 0o711 },
  },
  'secrets that are not given, and places of mounts': {
    files: {
      ...some,
      ...dockerfile(
        from,
        'WORKDIR /w',
        'RUN --mount=type=secret,id=none,env=S echo "[$S]${S+set}" > /tmp/env',
        'RUN --mount=type=secret,id=s,target=rel cat rel /w/rel > /w/secret',
        'RUN env | sort > /tmp/all',
      ),
    },
    options: ['--secret=id=s,src=CONTEXT/a.txt'],
    isBuildxOnly: true,
  },
  'the ignore file of a named folder, and an image by another name': {
    files: {
      'sub/a.txt': 'a\n',
      'sub/b.txt': 'b\n',
      'sub/.dockerignore': lines('b.txt'),
      'main/Dockerfile': lines('FROM alpine:latest', 'COPY --from=more . /more/'),
    },
    options: [
      '--build-context=more=CONTEXT/sub',
      `--build-context=alpine=docker-image://${busybox}`,
      '--file=CONTEXT/main/Dockerfile',
    ],
    isBuildxOnly: true,
  },
  'users of all kinds': {
    files: dockerfile(
      from,
      "RUN mkdir -m 777 /out && echo 'd:x:1001:1001::/bin:/bin/false' >> /etc/passwd && printf 'd:x:1001:\\nsupp:x:1002:d\\n' >> /etc/group",
      ...['d', '1001', 'd:d', '1001:d', 'd:supp', '1042:1043', '1234', ':1002'].flatMap((user, at) => [
        `USER ${user}`,
        `RUN id > /out/${at}; echo $HOME >> /out/${at}`,
      ]),
    ),
  },
  'texts of many kinds': {
    files: dockerfile(
      from,
      'WORKDIR /dest',
      'COPY <<EOF <<EOF2 double/',
      'first "file" \\$ \\\\',
      'EOF',
      'second',
      'EOF2',
      "RUN cat <<EOF1 | tr '[:upper:]' '[:lower:]' > ./out1; \\",
      '  cat <<EOF2 > ./out2',
      'hello WORLD',
      'EOF1',
      'HELLO world',
      'EOF2',
      'RUN <<EOF 3<<IN awk -f -',
      'BEGIN { while ((getline line < "/proc/self/fd/3") > 0) print tolower(line) > "./fd3" }',
      'EOF',
      'Hello',
      'IN',
      'RUN <<-EOF',
      '\techo "',
      '\tbar" > /dest/bar',
      '\tEOF',
    ),
  },
  'triggers that stand on triggers': {
    files: {
      ...some,
      ...dockerfile(
        `${from} AS one`,
        'ONBUILD ARG x=5',
        'ONBUILD RUN echo $x > /first',
        'ONBUILD ENV e=$x',
        'ONBUILD WORKDIR /w',
        'ONBUILD COPY <<EOF /text',
        'hi $e',
        'EOF',
        'ONBUILD CMD ["c"]',
        'FROM one AS two',
        'RUN pwd > /tmp/place',
        'FROM two',
        'RUN ls / > /tmp/list',
      ),
    },
  },
};
