/**
 * Engines with one guard taken out, for tests that see an attack succeed: what they show failing on the real engine would
 * work without that guard. The sources are changed while they are loaded (weaken.ts); the engine has no switch for it.
 */
interface Removal {
  /** A source file below src/. */
  readonly file: string;
  /** What stands there, once, and what is loaded in its place. */
  readonly guard: string;
  readonly instead: string;
}

export type Weakness = readonly Removal[];

/** A directory of the host is open in every program that the engine starts. */
const leak = {
  file: 'sys/process/spawn-call.ts',
  guard: '  libc.posix_spawn_file_actions_addclosefrom_np(actions, highest + 1);\n',
  instead:
    "  const handedOn = openFd(process.env['GANTRY_TEST_CANARY'] ?? '/', 0);\n  libc.posix_spawn_file_actions_adddup2(actions, handedOn, highest + 20);\n  opened.push(handedOn);\n",
};

/**
 * The engine is killed there, as by `kill -9`, while there is a file of this name in the folder that GANTRY_TEST_CANARY names.
 * Without the file it is the engine as it is.
 */
const dies = (name: string): string =>
  `if (process.getBuiltinModule('fs').existsSync((process.env['GANTRY_TEST_CANARY'] ?? '') + '/${name}')) { process.kill(process.pid, 'SIGKILL'); await new Promise(() => {}); }`;

/** Paths inside of a root are resolved as the host resolves them. */
const linksLeadOut = {
  file: 'sys/paths/inroot.ts',
  guard: "libc.syscall(SYS_openat2, BigInt(rootFd), path === '' ? '.' : path, how, 24n)",
  instead:
    "(how.writeBigUInt64LE(0n, 16), libc.syscall(SYS_openat2, BigInt(rootFd), String(path).replace(/^\\/+|\\0$/g, '') || '.', how, 24n))",
};

/** A kernel that knows nothing of encrypted directories. */
const noFscrypt = {
  file: 'sys/disk/calls.ts',
  guard: '  const argument = Buffer.alloc(rawOffset + key.length);\n',
  instead:
    "  if (path !== '') throw new SystemError(95, 'ADD_ENCRYPTION_KEY', path);\n  const argument = Buffer.alloc(0);\n",
};

export const weaknesses = {
  /** Not weaknesses: an engine that is killed at one of these steps. */
  'dies on the way': [
    {
      file: 'sys/disk/mounted.ts',
      guard: "  await callBlocking('freezeFileSystem', path);\n",
      instead: `  await callBlocking('freezeFileSystem', path);\n  ${dies('disk-frozen')}\n`,
    },
    {
      file: 'volume/copies/stage.ts',
      guard: '        await task();\n',
      instead: `        ${dies('containers-frozen')}\n        await task();\n`,
    },
    {
      file: 'volume/disk/gocryptfs.ts',
      guard: '    const { code } = await child.exited;\n',
      instead: `    if (args.at(-2) !== '--') { ${dies('about-to-serve')} }\n    const { code } = await child.exited;\n`,
    },
    {
      file: 'volume/_mounts.ts',
      guard: '      await mountAt(volume, source, this.#secretFolders);\n',
      instead: `      await mountAt(volume, source, this.#secretFolders);\n      ${dies('mounted')}\n`,
    },
    {
      file: 'volume/copies/rekey.ts',
      guard: '      const next = { ...volume,',
      instead: `      ${dies('key-prepared')}\n      const next = { ...volume,`,
    },
    {
      file: 'volume/copies/rekey.ts',
      guard: '    // Decided: the next boot does what is not done here.\n',
      instead: `    ${dies('key-decided')}\n`,
    },
  ],
  /** Not a weakness of the engine but of the host. */
  'no fscrypt': [noFscrypt],
  'no encryption': [
    noFscrypt,
    {
      file: 'volume/disk/gocryptfs.ts',
      guard: "const program = '/usr/bin/gocryptfs';",
      instead: "const program = '/nowhere/gocryptfs';",
    },
  ],
  /** The firewall says nothing of internal networks: only a missing route keeps them in. */
  'internal by routes alone': [
    {
      file: 'network/firewall/table.ts',
      guard:
        '        ...present.filter(({ bridge }) => bridge.internal).flatMap(({ bridge }) => internalRules(bridge)),\n',
      instead: '',
    },
  ],
  /** As on kernels before 6.9, which protect no table from other programs. */
  'firewall tables of everybody': [
    {
      file: 'network/open.ts',
      guard: 'protect: config.protectFirewall ?? true,',
      instead: 'protect: false,',
    },
  ],
  /** The host asks its name servers for containers without a way out, too. */
  'internal networks ask outside': [
    {
      file: 'network/resolver/names.ts',
      guard: 'const outside = held.endpoints.some(({ network }) => Object.keys(network.gateways).length > 0);',
      instead: 'const outside = true;',
    },
  ],
  /** What is forwarded to a bridge may come from anywhere. */
  'networks see each other': [
    {
      file: 'network/firewall/table.ts',
      guard: "{ when: [toBridge], then: { do: 'drop' }, comment: 'everything else stays out' }",
      instead: "{ when: [toBridge], then: { do: 'accept' }, comment: 'everything may come in' }",
    },
  ],
  /** Paths below a container's root are resolved as the host resolves them: links lead out of the root. */
  'links lead out': [linksLeadOut],
  /** Names in archives may climb, and nothing holds them in the root. */
  'names lead out': [
    linksLeadOut,
    {
      file: 'archive/layer/paths.ts',
      guard: "if (component !== '..') components.push(component);",
      instead: "if (component !== '') components.push(component);",
    },
  ],
  /** A container may open each device that it finds a node of. */
  'any device': [
    {
      file: 'runtime/profile/devices.ts',
      guard: "  { allow: false, access: 'rwm' },\n",
      instead: "  { allow: true, access: 'rwm' },\n",
    },
  ],
  /** A missing mount target is made by its path, and the runtime gets that path as it was asked for. */
  'targets as asked for': [
    {
      file: 'sys/paths/mount-targets.ts',
      guard: '  const rootFd = openFd(root, O_PATH | constants.O_DIRECTORY);\n',
      instead:
        "  for (const { path, kind } of targets) if (kind === 'directory') process.getBuiltinModule('fs').mkdirSync(root + path, { recursive: true });\n  if (targets.length >= 0) return targets.map(({ path }) => path);\n  const rootFd = 0;\n",
    },
  ],
  /** The mount option `U` takes what a link points at for what is there. */
  'owners through links': [
    {
      file: 'sys/file/chown-walk.ts',
      guard: 'unlessGone(() => lstatSync(pathAt(fd, name)))',
      instead: "unlessGone(() => process.getBuiltinModule('fs').statSync(pathAt(fd, name)))",
    },
    {
      file: 'sys/file/chown-walk.ts',
      guard: 'openDirectoryAt(fd, name)',
      instead: "process.getBuiltinModule('fs').openSync(pathAt(fd, name), constants.O_DIRECTORY)",
    },
  ],
  /** What an image has at /dev, /proc and /sys stays as it is. */
  'links at /dev': [
    {
      file: 'sys/mount/real-directories.ts',
      guard: 'for (const { name, make } of wanted) {',
      instead: 'for (const { name, make } of wanted.slice(0, 0)) {',
    },
  ],
  /** With a descriptor to lead through: those that this runtime has open itself are no directories. */
  'any working directory': [
    leak,
    {
      file: 'runtime/oci/process.ts',
      guard: '  checkWorkingDirectory(process.cwd);\n',
      instead: '',
    },
  ],
  'nothing masked': [
    {
      file: 'runtime/profile/paths.ts',
      guard: '[...masked, ...ofThisHost]',
      instead: 'masked.slice(0, 0)',
    },
  ],
  'nothing read-only': [
    {
      file: 'runtime/profile/paths.ts',
      guard: '[...readOnly]',
      instead: 'readOnly.slice(0, 0)',
    },
  ],
  /** The primary group is not among the additional ones. */
  'primary group only': [
    {
      file: 'container/user/resolve.ts',
      guard: 'new Set([gid, ...own, ...added])',
      instead: 'new Set([...own, ...added])',
    },
  ],
  'descriptors handed on': [leak],
  'registries lead anywhere': [
    {
      file: 'registry/client/transport.ts',
      guard:
        'if (isIP(literal) !== 0 && !request.trust.ownNetwork && isOwnNetwork(literal)) throw forbiddenAddress(request);',
      instead: '',
    },
  ],
  'passwords follow redirects': [
    {
      file: 'registry/client/_session.ts',
      guard: '...(isHome && authorization !== undefined ? { authorization } : {}),',
      instead: '...(authorization !== undefined ? { authorization } : {}),',
    },
  ],
  'signatures of anybody': [
    { file: 'trust/key.ts', guard: 'resolve(error === null && isGood)', instead: 'resolve(true)' },
  ],
  'signatures of any image': [
    {
      file: 'trust/judge.ts',
      guard: 'if (!claims.digests.some((digest) => image.digests.includes(digest))) {',
      instead: 'if (claims.digests.length === 0) {',
    },
  ],
  'signatures for any name': [
    {
      file: 'trust/judge.ts',
      guard: 'if (acceptsIdentity(identity, intended, claims.reference))',
      instead: 'if (acceptsIdentity(identity, intended, claims.reference) || true)',
    },
  ],
  'used without a look at the policy': [
    {
      file: 'image/resolve.ts',
      guard: '  await admitUse(context, image, variant.manifest.digest, nameOrId);\n',
      instead: '',
    },
  ],
} as const satisfies Readonly<Record<string, Weakness>>;

export type WeaknessName = keyof typeof weaknesses;
