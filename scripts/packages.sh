# Installs what is missing through the system's package manager; sourced by the other scripts.
# shellcheck shell=bash

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# install_packages WHAT apt-get="names" dnf="names" ...: the first package manager found here is asked.
# Where it may not be (neither root nor a sudo that asks nothing), says what to install and exits 1.
install_packages() {
    local what=$1 entry manager names=""
    shift
    for entry in "$@"; do
        manager=${entry%%=*}
        if command -v "$manager" >/dev/null 2>&1; then
            names=${entry#*=}
            break
        fi
    done
    [ -n "$names" ] || fail "$what is missing, and no known package manager is here: please install it"

    local as_root=""
    if [ "$manager" != brew ] && [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1 || ! sudo -n true 2>/dev/null; then
            fail "$what is missing: please run, as root: $(install_command "$manager") $names"
        fi
        as_root="sudo -n"
    fi

    say "$what is missing: $manager installs $names"
    local quiet=""
    if [ "$manager" = apt-get ]; then
        quiet="-qq -o DPkg::Lock::Timeout=300"
        # shellcheck disable=SC2086
        $as_root apt-get $quiet update >&2 || say "the package lists could not be renewed"
    fi
    # shellcheck disable=SC2046,SC2086 # words on purpose
    $as_root env DEBIAN_FRONTEND=noninteractive $(install_command "$manager") $quiet $names </dev/null >&2 ||
        fail "$manager could not install $names: please install $what by hand"
    hash -r
}

install_command() {
    case $1 in
    apt-get) echo "apt-get install -y --no-install-recommends" ;;
    dnf) echo "dnf install -y" ;;
    apk) echo "apk add" ;;
    pacman) echo "pacman -Sy --needed --noconfirm" ;;
    brew) echo "brew install" ;;
    esac
}

need_cargo() {
    command -v cargo >/dev/null 2>&1 || PATH=$PATH:${CARGO_HOME:-${HOME:-}/.cargo}/bin
    command -v cargo >/dev/null 2>&1 || fail "Rust is missing: please install it with rustup, see https://rustup.rs"
}

need_c_compiler() {
    printf '#include <stdlib.h>\n' | cc -E -x c - >/dev/null 2>&1 ||
        install_packages "a C compiler" apt-get="gcc libc6-dev" dnf="gcc glibc-devel" apk="gcc musl-dev" pacman="gcc"
}

need_npm() {
    command -v npm >/dev/null 2>&1 ||
        install_packages "npm" apt-get="nodejs npm" dnf="nodejs npm" apk="nodejs npm" pacman="nodejs npm" brew="node"
}

need_python() {
    python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 ||
        install_packages "Python 3.11" apt-get="python3 python3-venv" dnf="python3" apk="python3" pacman="python" brew="python"
}

need_java() {
    java -version >/dev/null 2>&1 ||
        install_packages "Java" apt-get="default-jre-headless" dnf="java-latest-openjdk-headless" apk="openjdk17-jre-headless" \
            pacman="jre-openjdk-headless" brew="--cask temurin"
}
