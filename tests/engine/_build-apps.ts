import { lines } from './_build-folder.ts';
import { busybox } from './_docker.ts';
import { debianArchive, goModule, npmPackage, type Packed, wheel } from './_packages.ts';

/** An application with its Dockerfile, of a shape that people learn from or have made for them. */
export interface App {
  readonly files: Packed;
  /** Names of other Dockerfiles than `Dockerfile`, stages and arguments to build by. */
  readonly target?: string;
  readonly args?: Readonly<Record<string, string>>;
  /** Values by id: only for clients that can send them. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** What is written anew before the second build. */
  readonly change: readonly [name: string, text: string];
  /** What a container of the image says, and after the change. */
  readonly says: readonly [before: string, after: string];
  /** Directories that are in layers of Docker's only because it mounted something in them. */
  readonly mounted?: readonly string[];
}

/** The image of tests that has the languages' programs. */
export const languages = 'gantry-test/languages:1';

const from = `FROM ${languages}`;
const left = npmPackage('left', "module.exports = (text) => text.padStart(8, '.');\n");
const checker = npmPackage('checker', "module.exports = () => 'checked';\n");

const nodePackage = JSON.stringify({
  name: 'todo',
  version: '1.0.0',
  license: 'MIT',
  main: 'src/index.js',
  scripts: { start: 'node src/index.js', build: 'node build.js' },
  dependencies: { left: 'file:vendor/left-1.0.0.tgz' },
  devDependencies: { checker: 'file:vendor/checker-1.0.0.tgz' },
});

const nodeLock = JSON.stringify({
  name: 'todo',
  version: '1.0.0',
  lockfileVersion: 3,
  requires: true,
  packages: {
    '': { ...JSON.parse(nodePackage), scripts: undefined, main: undefined },
    'node_modules/left': { version: '1.0.0', resolved: 'file:vendor/left-1.0.0.tgz', integrity: left.integrity },
    'node_modules/checker': {
      version: '1.0.0',
      resolved: 'file:vendor/checker-1.0.0.tgz',
      integrity: checker.integrity,
      dev: true,
    },
  },
});

const nodeSource = (text: string): string => `console.log(require('left')('${text}'));\n`;

const nodeFiles: Packed = {
  'package.json': nodePackage,
  'package-lock.json': nodeLock,
  'vendor/left-1.0.0.tgz': left.bytes,
  'vendor/checker-1.0.0.tgz': checker.bytes,
  'src/index.js': nodeSource('todo'),
  'src/static/index.html': '<h1>todo</h1>\n',
  'spec/todo.spec.js': 'test();\n',
  'node_modules/own/index.js': 'left out\n',
  '.dockerignore': lines('node_modules', 'npm-debug.log', '**/.git', 'Dockerfile*'),
};

const nodeChange = {
  change: ['src/index.js', nodeSource('done')],
  says: ['....todo', '....done'],
} as const;

const nodeApps: Record<string, App> = {
  'a beginner in Node, by npm install': {
    files: {
      ...nodeFiles,
      Dockerfile: lines(
        '# syntax=docker/dockerfile:1',
        from,
        'WORKDIR /app',
        'COPY package*.json ./',
        'COPY vendor vendor',
        'RUN npm install --no-audit --no-fund && rm -rf /root/.npm',
        'COPY . .',
        'CMD ["node", "src/index.js"]',
        'EXPOSE 3000',
      ),
    },
    ...nodeChange,
  },
  'a beginner in Node, by yarn install --production': {
    files: {
      ...nodeFiles,
      Dockerfile: lines(
        from,
        'WORKDIR /app',
        'COPY . .',
        'RUN yarn install --production --offline --no-lockfile && rm -rf /usr/local/share/.cache /tmp/*',
        'CMD ["node", "src/index.js"]',
        'EXPOSE 3000',
      ),
    },
    ...nodeChange,
    mounted: ['tmp/'],
  },
  'Node in stages, with bound files and a cache': {
    files: {
      ...nodeFiles,
      'build.js':
        "require('fs').mkdirSync('dist', { recursive: true });\nrequire('fs').writeFileSync('dist/built.js', require('checker')());\n",
      Dockerfile: lines(
        '# syntax=docker/dockerfile:1.7-labs',
        '',
        '# Which image all stages stand on.',
        `ARG NODE_IMAGE=${languages}`,
        '',
        'FROM ${NODE_IMAGE} AS base',
        'WORKDIR /usr/src/app',
        '',
        'FROM base AS deps',
        'RUN --mount=type=bind,source=package.json,target=package.json \\',
        '    --mount=type=bind,source=package-lock.json,target=package-lock.json \\',
        '    --mount=type=bind,source=vendor,target=vendor \\',
        '    --mount=type=cache,target=/root/.npm \\',
        '    npm ci --omit=dev --no-audit',
        '',
        'FROM deps AS build',
        'RUN --mount=type=bind,source=package.json,target=package.json \\',
        '    --mount=type=bind,source=package-lock.json,target=package-lock.json \\',
        '    --mount=type=bind,source=vendor,target=vendor \\',
        '    --mount=type=cache,target=/root/.npm \\',
        '    npm ci --no-audit',
        'COPY . .',
        'RUN npm run build',
        '',
        'FROM base AS final',
        'ENV NODE_ENV production',
        'USER 1000',
        'COPY package.json .',
        'COPY --from=deps /usr/src/app/node_modules ./node_modules',
        'COPY --from=build /usr/src/app/dist ./dist',
        'COPY --from=build --exclude=static /usr/src/app/src ./src',
        'EXPOSE 3000',
        'CMD npm start --silent',
      ),
    },
    args: { NODE_IMAGE: languages },
    target: 'final',
    ...nodeChange,
    mounted: ['root/', 'usr/src/app/'],
  },
};

const greet = goModule('proxy', 'example.test/greet', {
  'greet.go': 'package greet\n\nfunc Greet(name string) string { return "hello " + name }\n',
});

const goSource = (name: string): string =>
  lines(
    'package main',
    '',
    'import (',
    '\t"fmt"',
    '\t"os"',
    '\t"runtime"',
    '',
    '\t"example.test/greet"',
    ')',
    '',
    'func main() {',
    `\tfmt.Println(greet.Greet("${name}"), runtime.GOOS, os.Getuid())`,
    '}',
  );

const goFiles: Packed = {
  ...greet.proxy,
  'go.mod': 'module example.test/server\n\ngo 1.19\n\nrequire example.test/greet v1.0.0\n',
  'go.sum': greet.sum,
  'main.go': goSource('world'),
};

const goApps: Record<string, App> = {
  'Go to nothing, with caches of modules and of what was compiled': {
    files: {
      ...goFiles,
      Dockerfile: lines(
        '# syntax=docker/dockerfile:1',
        `FROM --platform=$BUILDPLATFORM ${languages} AS build`,
        'WORKDIR /src',
        'ENV GOPROXY=file:///src/proxy GONOSUMDB=* GOFLAGS=-trimpath GOPATH=/go CGO_ENABLED=0',
        'RUN --mount=type=cache,target=/go/pkg/mod/ \\',
        '    --mount=type=bind,source=go.sum,target=go.sum \\',
        '    --mount=type=bind,source=go.mod,target=go.mod \\',
        '    --mount=type=bind,source=proxy,target=proxy \\',
        '    go mod download -x',
        'ARG TARGETOS TARGETARCH',
        'RUN --mount=type=cache,target=/go/pkg/mod/ \\',
        '    --mount=type=cache,target=/root/.cache/go-build \\',
        '    --mount=type=bind,target=. \\',
        '    GOOS=$TARGETOS GOARCH=$TARGETARCH go build -buildvcs=false -ldflags="-s -w -buildid=" -o /bin/server .',
        '',
        'FROM scratch AS final',
        'COPY --from=build --chown=10001 /bin/server /bin/',
        'USER 10001:10001',
        'EXPOSE 8080',
        'ENTRYPOINT [ "/bin/server" ]',
      ),
    },
    change: ['main.go', goSource('again')],
    says: ['hello world linux 10001', 'hello again linux 10001'],
  },
};

const words = wheel('words', 'def said(name):\n    return "hello " + name\n');
const pythonSource = (name: string): string => `import words\nprint(words.said('${name}'))\n`;

const pythonFiles: Packed = {
  'wheels/words-1.0-py3-none-any.whl': words,
  'requirements.txt': 'words==1.0\n',
  'app.py': pythonSource('python'),
};
const pythonChange = {
  change: ['app.py', pythonSource('snake')],
  says: ['hello python', 'hello snake'],
} as const;

const pythonApps: Record<string, App> = {
  'Python with a cache of pip and a user of its own': {
    files: {
      ...pythonFiles,
      Dockerfile: lines(
        '# syntax=docker/dockerfile:1',
        `${from} as base`,
        '',
        '# Nothing is compiled, and what is printed is printed at once.',
        'ENV PYTHONDONTWRITEBYTECODE=1',
        'ENV PYTHONUNBUFFERED=1',
        'ENV PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore',
        '',
        'WORKDIR /app',
        '',
        'ARG UID=10001',
        'RUN useradd --no-log-init --home-dir /nonexistent --shell /usr/sbin/nologin --no-create-home --uid "${UID}" appuser',
        '',
        'RUN --mount=type=cache,target=/root/.cache/pip \\',
        '    --mount=type=bind,source=requirements.txt,target=requirements.txt \\',
        '    --mount=type=bind,source=wheels,target=/wheels \\',
        '    python3 -m pip install --no-index --find-links=/wheels -r requirements.txt',
        '',
        'USER appuser',
        'COPY . .',
        'EXPOSE 8000',
        'HEALTHCHECK --interval=30s --timeout=3s CMD python3 -c "import words"',
        'CMD python3 app.py',
      ),
    },
    args: { UID: '10002' },
    ...pythonChange,
    mounted: ['root/', 'root/.cache/', 'app/'],
  },
  'Python in a virtual environment, with a secret': {
    files: {
      ...pythonFiles,
      Dockerfile: lines(
        `${from} AS build`,
        'RUN python3 -m venv /opt/venv',
        'ENV PATH="/opt/venv/bin:$PATH"',
        'COPY requirements.txt .',
        'RUN --mount=type=secret,id=index,required=true --mount=type=secret,id=token,env=TOKEN,required=true \\',
        '    --mount=type=cache,target=/root/.cache/pip,id=pip,sharing=locked --mount=type=bind,source=wheels,target=/wheels \\',
        '    printenv TOKEN | grep -qx "of the environment" && pip install --no-index $(cat /run/secrets/index) -r requirements.txt',
        '',
        from,
        'WORKDIR /srv',
        'COPY --from=build /opt/venv /opt/venv',
        'ENV PATH="/opt/venv/bin:$PATH" VIRTUAL_ENV=/opt/venv',
        'COPY app.py /srv/',
        'ENTRYPOINT ["python"]',
        'CMD ["app.py"]',
        'STOPSIGNAL SIGINT',
      ),
    },
    secrets: { index: '--find-links=/wheels', token: 'of the environment' },
    ...pythonChange,
  },
};

const otherApps: Record<string, App> = {
  'packages of Debian, with caches of apt': {
    files: {
      ...debianArchive('archive', 'greeting', { 'usr/share/greeting/text': 'from a package\n' }),
      'entry.sh': '#!/bin/sh\nset -e\ncat /usr/share/greeting/text\nexec "$@"\n',
      'more.txt': 'first\n',
      Dockerfile: lines(
        from,
        `RUN rm -f /etc/apt/apt.conf.d/docker-clean; echo 'Binary::apt::APT::Keep-Downloaded-Packages "true";' > /etc/apt/apt.conf.d/keep-cache`,
        'RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \\',
        '  --mount=type=cache,target=/var/lib/apt,sharing=locked \\',
        '  --mount=type=bind,source=archive,target=/archive <<EOF',
        '  set -e',
        "  echo 'deb [trusted=yes] copy:/archive ./' > /etc/apt/sources.list",
        '  apt-get -o APT::Sandbox::User=root update && apt-get -o APT::Sandbox::User=root --no-install-recommends install -y greeting',
        '  rm -rf /var/log/apt /var/log/dpkg.log',
        'EOF',
        'COPY --chmod=755 entry.sh /usr/local/bin/',
        'COPY more.txt /',
        'ENTRYPOINT ["entry.sh"]',
        'CMD ["cat", "/more.txt"]',
      ),
    },
    change: ['more.txt', 'second\n'],
    says: ['from a package\nfirst', 'from a package\nsecond'],
    mounted: ['var/cache/', 'var/lib/'],
  },
  'PHP with what its image is made ready by': {
    files: {
      'src/index.php': '<?php echo getenv("GREETING"), "\\n";\n',
      'composer.json': '{"require": {}}\n',
      Dockerfile: lines(
        `${from} as deps`,
        'WORKDIR /app',
        'RUN --mount=type=bind,source=composer.json,target=composer.json \\',
        '    --mount=type=cache,target=/tmp/cache \\',
        '    mkdir -p vendor && php -r \'file_put_contents("vendor/autoload.php", "<?php // " . filesize("composer.json"));\'',
        `${from} as final`,
        'ENV PHP_INI_DIR=/usr/local/etc/php GREETING="hello from php"',
        'RUN mkdir -p "$PHP_INI_DIR" && touch "$PHP_INI_DIR/php.ini-production" && mv "$PHP_INI_DIR/php.ini-production" "$PHP_INI_DIR/php.ini"',
        'COPY --from=deps app/vendor/ /var/www/html/vendor',
        'COPY --chown=www-data:www-data ./src /var/www/html',
        'VOLUME /var/www/data',
        'USER www-data',
        'CMD ["php", "/var/www/html/index.php"]',
      ),
    },
    change: ['src/index.php', '<?php echo strtoupper(getenv("GREETING")), "\\n";\n'],
    says: ['hello from php', 'HELLO FROM PHP'],
    mounted: ['app/', 'tmp/'],
  },
  'a small page, served by a user': {
    files: {
      'public/index.html': '<h1>one</h1>\n',
      Dockerfile: lines(
        `FROM ${busybox} AS content`,
        'COPY public /site',
        'RUN find /site -name "*.html" -exec gzip -k {} +',
        `FROM ${busybox}`,
        'LABEL org.opencontainers.image.title=page org.opencontainers.image.licenses="MIT"',
        'COPY --from=content --chown=1000:1000 /site /var/www/site',
        'ONBUILD COPY . /var/www/site',
        'USER 1000',
        'CMD ["cat", "/var/www/site/index.html"]',
      ),
    },
    change: ['public/index.html', '<h1>two</h1>\n'],
    says: ['<h1>one</h1>', '<h1>two</h1>'],
  },
};

/** By name: each is built by every client, and gives what Docker's engine gives. */
export const apps: Readonly<Record<string, App>> = { ...nodeApps, ...goApps, ...pythonApps, ...otherApps };
