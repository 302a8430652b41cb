import { more } from './_build-corpus-more.ts';
import { lines } from './_build-folder.ts';
import { busybox } from './_docker.ts';

/** A Dockerfile with its context, and how it is built. */
export interface CorpusCase {
  /** The context; a name that ends with a slash is an empty folder. */
  readonly files: Readonly<Record<string, string>>;
  /** Modes of context files that are not 0644. */
  readonly modes?: Readonly<Record<string, number>>;
  /** Links of the context, by name. */
  readonly links?: Readonly<Record<string, string>>;
  /** Options of `docker build`; `CONTEXT` stands for the folder. */
  readonly options?: readonly string[];
  /** With something that only buildx does. */
  readonly isBuildxOnly?: true;
}

const from = `FROM ${busybox}`;
const dockerfile = (...text: readonly string[]): { readonly Dockerfile: string } => ({ Dockerfile: lines(...text) });
const some = { 'a.txt': 'a\n', 'b.txt': 'b\n', 'dir/c.txt': 'c\n', 'dir/sub/d.md': 'd\n' };

const settings: Record<string, CorpusCase> = {
  labels: {
    files: dockerfile(
      from,
      'LABEL one=1 "two words"="a \\"quoted\\" value" three=\'single $quoted\'',
      'LABEL old style value',
      'LABEL one=again multi="first \\',
      'second"',
    ),
  },
  env: {
    files: dockerfile(
      from,
      'ENV A=b C="d e" F=g\\ h EMPTY=',
      'ENV OLD  a value with   spaces',
      'ENV X=$A Y=${C}z Z=\\$A',
    ),
  },
  'expansion with modifiers': {
    files: dockerfile(
      from,
      'ARG tag=v1.2.3-alpine-slim',
      'ENV A=${none:-default} B=${tag:+set} C=${none:+set}x D=${tag#v} E=${tag##*-} F=${tag%-*} G=${tag%%-*}',
      'ENV H=${tag/alpine/debian} I=${tag//-/_} J=${none-unset}',
    ),
  },
  'arguments and their scopes': {
    files: dockerfile(
      `ARG BASE=${busybox}`,
      'ARG GLOBAL=outer',
      'FROM $BASE AS one',
      'RUN echo "[$GLOBAL]" > /before',
      'ARG GLOBAL',
      'ARG OWN=inner$GLOBAL',
      'RUN echo "[$GLOBAL] [$OWN]" > /after',
      'FROM one',
      'RUN echo "[$OWN]" > /child',
      'ENV OWN=env',
      'ARG OWN=arg',
      'LABEL own=$OWN',
    ),
    options: ['--build-arg=GLOBAL=told', '--build-arg=UNUSED=x'],
  },
  'predefined arguments': {
    files: dockerfile(from, 'RUN echo "$http_proxy $FTP_PROXY" > /proxies', 'ARG HTTP_PROXY', 'LABEL p=$HTTP_PROXY'),
    options: ['--build-arg=http_proxy=http://user:word@proxy:1', '--build-arg=FTP_PROXY=p'],
  },
  'arguments of the platform': {
    files: dockerfile(
      from,
      'ARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM',
      'RUN echo "$TARGETPLATFORM $TARGETOS $TARGETARCH [$TARGETVARIANT] $BUILDPLATFORM" > /platform',
    ),
  },
  'command by a shell': { files: dockerfile(from, 'CMD echo "$HOME" && date') },
  'entry point and command': { files: dockerfile(from, 'ENTRYPOINT ["echo", "a b"]', 'CMD ["c", "d"]') },
  'an entry point takes the command of the base away': {
    files: dockerfile(`${from} AS base`, 'CMD ["from base"]', 'FROM base', 'ENTRYPOINT ["echo"]'),
  },
  'an entry point beside an own command': {
    files: dockerfile(from, 'CMD ["own"]', 'ENTRYPOINT ["echo"]'),
  },
  'empty lists': { files: dockerfile(from, 'ENTRYPOINT []', 'CMD []') },
  'another shell': {
    files: dockerfile(
      from,
      'SHELL ["/bin/busybox", "sh", "-e", "-c"]',
      'RUN echo $0 > /shell',
      'CMD echo x',
      'ENTRYPOINT a b',
    ),
  },
  'working folders': {
    files: dockerfile(
      from,
      'ENV WHERE=deep/er',
      'WORKDIR one',
      'WORKDIR two/../three',
      'RUN pwd > /pwd',
      'WORKDIR /abs/$WHERE/',
      'WORKDIR ..',
    ),
  },
  'a working folder with a slash at its end': { files: dockerfile(from, 'WORKDIR /x//y/') },
  users: {
    files: {
      ...some,
      ...dockerfile(
        from,
        'RUN echo worker:x:1234:1234::/home/worker:/bin/sh >> /etc/passwd && mkdir -p /home/worker/x && chown -R worker /home/worker',
        'USER worker',
        'RUN id -u > /tmp/id; touch ~/made',
        'COPY a.txt /tmp/',
        'WORKDIR /home/worker/new',
        'USER 77:88',
        'RUN id -g > /tmp/gid',
      ),
    },
  },
  ports: { files: dockerfile(from, 'ENV P=9000', 'EXPOSE 80 443/udp 100-102/tcp', 'EXPOSE $P/sctp 80/tcp') },
  volumes: {
    files: dockerfile(
      from,
      'VOLUME /data /more',
      'VOLUME ["/json", "/with space"]',
      'RUN mkdir /data && touch /data/kept',
    ),
  },
  'stop signals': { files: dockerfile(from, 'STOPSIGNAL SIGTERM', 'ENV S=9', 'STOPSIGNAL $S') },
  'health checks': {
    files: dockerfile(
      from,
      'HEALTHCHECK --interval=5m --timeout=3s --start-period=1s --start-interval=2s --retries=4 CMD wget -q localhost',
    ),
  },
  'health check by arguments, then none': {
    files: dockerfile(`${from} AS one`, 'HEALTHCHECK CMD ["true", "x"]', 'FROM one', 'HEALTHCHECK NONE'),
  },
  'instructions for the next build': {
    files: {
      ...some,
      ...dockerfile(
        `${from} AS base`,
        'ONBUILD COPY a.txt /got/',
        'ONBUILD RUN cat /got/a.txt > /next',
        'ONBUILD LABEL from=base',
        'FROM base',
        'RUN ls /got > /list',
        'ONBUILD RUN later',
      ),
    },
  },
  maintainer: { files: dockerfile(from, 'MAINTAINER Some One <some@one.example>') },
  'settings by variables': {
    files: dockerfile(
      from,
      'ARG U=5 V=/vol N=name',
      'USER $U',
      'VOLUME $V',
      'LABEL $N=${N}d "$N-2"="$U"',
      'WORKDIR ${V}work',
      'CMD ["echo", "$N"]',
    ),
  },
  'options of the command': {
    files: dockerfile(from, 'ARG A', 'RUN echo "$A" > /arg', 'LABEL kept=1 over=1'),
    options: ['--build-arg=A=some words', '--label=over=2', '--label=more=3'],
  },
};

const files: Record<string, CorpusCase> = {
  'from nothing': { files: { ...some, ...dockerfile('FROM scratch', 'COPY a.txt dir /', 'CMD ["/a.txt"]') } },
  patterns: {
    files: {
      ...some,
      'with space': 's',
      'b[1].txt': 'x',
      ...dockerfile(
        from,
        'COPY *.txt /all/',
        'COPY ?.txt /one/',
        'COPY ["with space", "/in space/"]',
        'COPY d*/*/*.md /md/',
      ),
    },
  },
  'folders and their contents': {
    files: {
      ...some,
      'empty/': '',
      ...dockerfile(
        from,
        'COPY dir /plain',
        'COPY dir/ /slash/',
        'COPY dir a.txt /several/',
        'COPY a.txt /renamed',
        'COPY empty /empty',
        'COPY . /everything',
        'WORKDIR /w',
        'COPY a.txt ./rel/',
        'COPY b.txt .',
        'RUN mkdir -m 700 /old /owned && chown 1:2 /owned',
        'COPY dir /old/',
        'COPY --chown=3:4 --chmod=711 dir /owned',
        'COPY a.txt /old/',
      ),
    },
  },
  'owners and modes': {
    files: {
      ...some,
      'run.sh': 'x',
      ...dockerfile(
        from,
        'RUN echo worker:x:1234:1235::/:/bin/sh >> /etc/passwd && echo crew:x:99: >> /etc/group',
        'COPY --chown=worker a.txt /by-name',
        'COPY --chown=worker:crew dir /by-names',
        'COPY --chown=7:8 --chmod=751 run.sh /numbers',
        'COPY --chmod=0600 dir /modes',
        'ADD --chown=:crew b.txt /group',
        'COPY run.sh /kept',
      ),
    },
    modes: { 'run.sh': 0o755, 'a.txt': 0o600, dir: 0o750 },
  },
  'independent layers': {
    files: {
      ...some,
      ...dockerfile(from, 'COPY --link a.txt /deep/er/', 'COPY --link --chown=3:4 dir /other/dir'),
    },
  },
  exceptions: {
    files: {
      ...some,
      ...dockerfile(from, 'COPY --exclude=*.md --exclude=b* . /most/', 'COPY --exclude=dir/sub . /rest'),
    },
  },
  'text in the Dockerfile': {
    files: dockerfile(
      from,
      'ENV WHO=world',
      'COPY <<EOF /one',
      'hello $WHO',
      '  and \\$WHO',
      'EOF',
      "COPY <<'EOF' /quoted",
      'hello $WHO',
      'EOF',
      'COPY --chmod=755 <<-A <<-B /two/',
      '\ttabs go',
      '\tA',
      '\tsecond',
      '\tB',
    ),
  },
  'commands of several lines': {
    files: dockerfile(
      from,
      'RUN <<EOF',
      'echo one > /one',
      'cd /tmp',
      'pwd > /two',
      'EOF',
      'RUN <<EOF cat > /three',
      'text $HOME',
      'EOF',
      'RUN <<EOF',
      '#!/bin/busybox sh',
      'echo "$0" | grep -c . > /four',
      'EOF',
      'RUN echo a \\',
      '  # in between',
      '',
      '  b > /five',
    ),
  },
  'commands without a shell': { files: dockerfile(from, 'RUN ["busybox", "touch", "/$HOME x"]') },
  'stages by number, name and image': {
    files: {
      ...some,
      ...dockerfile(
        `${from} AS first`,
        'RUN mkdir /o && echo 1 > /o/1 && chown 5:6 /o/1 && chmod 4711 /o/1',
        'FROM first as Second',
        'RUN echo 2 > /o/2',
        'FROM scratch',
        'COPY --from=0 /o /zero',
        'COPY --from=second /o/2 /',
        `COPY --from=${busybox} /bin/sh /bin/`,
        'COPY --from=first --chown=9 /o/1 /owned',
      ),
    },
  },
  'a wished stage': {
    files: dockerfile(`${from} AS one`, 'LABEL stage=one', 'FROM one AS two', 'RUN false'),
    options: ['--target=one'],
  },
  'what is ignored': {
    files: {
      ...some,
      '.dockerignore': lines('# comment', '*', '!dir', 'dir/**/*.md', '!a.*', '/b.txt'),
      ...dockerfile(from, 'COPY . /c/'),
    },
  },
  'ignored by a file beside the Dockerfile': {
    files: {
      ...some,
      '.dockerignore': lines('a.txt'),
      'other/My.Dockerfile': lines(from, 'COPY . /c/'),
      'other/My.Dockerfile.dockerignore': lines('dir', 'other'),
    },
    options: ['--file=CONTEXT/other/My.Dockerfile'],
    // By the other way the client itself leaves out what it finds in `.dockerignore`.
    isBuildxOnly: true,
  },
  'links of the context': {
    files: { ...some, ...dockerfile(from, 'COPY link /as-file', 'COPY dirlink /as-dir/', 'COPY . /all/') },
    links: { link: 'a.txt', dirlink: 'dir', broken: 'nowhere', 'dir/out': '/etc/passwd' },
  },
  'links of the image': {
    files: {
      ...some,
      ...dockerfile(
        from,
        'RUN mkdir /real && ln -s real /link && ln -s /real /abs',
        'COPY a.txt /link/',
        'COPY dir /abs/in/',
      ),
    },
  },
};

const commands: Record<string, CorpusCase> = {
  'what commands leave': {
    files: dockerfile(
      from,
      'RUN mkdir -p /t/a /t/b && echo x > /t/a/x && ln /t/a/x /t/a/hard && ln -s x /t/a/soft && mkfifo /t/pipe',
      'RUN chmod 4755 /t/a/x; chmod 1777 /t/b; chown 10:20 /t/b; touch -d "2020-01-02 03:04:05" /t/old',
      'RUN rm /t/a/soft /bin/wget && rm -r /t/b && mkdir /t/b && touch /t/b/new && mv /t/old /t/moved',
    ),
  },
  'folders become files, and files folders': {
    files: dockerfile(from, 'RUN mkdir /x && touch /x/in /y', 'RUN rm -r /x /y && touch /x && mkdir /y && touch /y/in'),
  },
  'mounts leave nothing': {
    files: {
      ...some,
      ...dockerfile(
        `${from} AS other`,
        'RUN echo other > /other',
        from,
        'RUN --mount=type=bind,target=/mnt cat /mnt/dir/c.txt > /bind',
        'RUN --mount=type=bind,from=other,source=/other,target=/opt/other cat /opt/other > /stage',
        'RUN --mount=type=cache,target=/var/cache/x touch /var/cache/x/kept && echo done > /cache',
        'RUN --mount=type=tmpfs,target=/scratch touch /scratch/y && ls /scratch > /tmpfs',
        'RUN --mount=type=secret,id=none,target=/run/gone echo "$(ls /run | wc -l)" > /secret',
      ),
    },
  },
  'no network': { files: dockerfile(from, 'RUN --network=none ip -o link | wc -l > /links') },
  'hosts and limits': {
    files: dockerfile(from, 'RUN grep -c "10.9.8.7.some.host" /etc/hosts > /hosts; ulimit -n > /files'),
    options: ['--add-host=some.host:10.9.8.7', '--ulimit=nofile=321:654'],
  },
  archives: {
    files: {
      ...some,
      ...dockerfile(from, 'RUN tar -cf /x.tar -C /etc passwd', 'ADD a.txt dir /plain/', 'ADD b.txt /b'),
    },
  },
  'another escape': { files: { Dockerfile: lines('# escape=`', from, 'RUN echo a `', '  b > /ab', 'ENV P=c:\\dir') } },
  'lines of another system': { files: { Dockerfile: `${from}\r\nRUN echo a \\\r\n  b > /ab\r\nENV A=b\r\n` } },
  'a mark of byte order, and any case of letters': {
    files: { Dockerfile: `\uFEFFfrom ${busybox} As X\nrun echo x > /x\nlabel a=b\nFrOm x\ncmd ["y"]\n` },
  },
  'comments everywhere': {
    files: dockerfile('# first', '', from, '  # indented', '   RUN echo "# no comment" > /x # but this', '', '#last'),
  },
  'a folder with a name': {
    files: { 'sub/in.txt': 'in\n', 'main/Dockerfile': lines(from, 'COPY --from=more in.txt /', 'COPY . /main/') },
    options: ['--build-context=more=CONTEXT/sub', '--file=CONTEXT/main/Dockerfile'],
    isBuildxOnly: true,
  },
  'the application of a beginner': {
    files: {
      'package.json': '{"name":"todo","main":"src/index.js"}\n',
      'src/index.js': 'console.log("todo")\n',
      'node_modules/left/out.js': 'x',
      '.dockerignore': lines('node_modules'),
      ...dockerfile(
        `${from} AS deps`,
        'WORKDIR /app',
        'COPY package.json ./',
        'RUN --mount=type=cache,target=/root/.npm mkdir node_modules && echo installed > node_modules/list',
        from,
        'ENV NODE_ENV=production',
        'WORKDIR /app',
        'COPY --from=deps /app/node_modules ./node_modules',
        'COPY . .',
        'USER 1000:1000',
        'EXPOSE 3000',
        'CMD ["node", "src/index.js"]',
      ),
    },
  },
};

/** By name: each is built by both builders' protocols, and gives what Docker's engine gives. */
export const corpus: Readonly<Record<string, CorpusCase>> = { ...settings, ...files, ...commands, ...more };
