# Sourced, with $root set, by the commands beside it. `use_venv run` makes or reuses .venv with what
# zparkd needs, `use_venv web` also with what the gateway needs, `use_venv camera` with what
# zparkd-camera needs, likewise `uplink` and `fleet`, `use_venv test` with what the tests need; all
# leave the path of it in $venv.
#
# Any Unix shell will do, and nothing needs to be there before: not git, not HOME, not even Python
# where apt can bring it.
# What is installed is what requirements/*.txt lock, by version and hash; bin/lock writes them.
# A venv is reused as long as its Python runs and .venv/made-for-* names these files as they are;
# .venv/unfinished stands in it while it is worked on, and one found with that is made anew.

venv=$root/.venv

say() { printf 'zparkd: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

use_venv() {
    ready "$1" || make_ready "$1"
    # Where Python may not write bytecode, each process would compile all of zparkd for itself.
    "$venv/bin/python" -m compileall -q -- "$root/zparkd" >/dev/null 2>&1 || :
}

make_ready() {
    check_writable
    [ -e "$root/.venv.lock" ] || : >"$root/.venv.lock"
    exec 9<"$root/.venv.lock"
    if command -v flock >/dev/null && ! flock -n 9; then
        say "waiting for another command that is making .venv"
        flock 9
    fi
    ready "$1" || prepare "$1"
    exec 9<&- # the command that comes next must not hold the lock
}

ready() {
    local key
    [ ! -e "$venv/unfinished" ] && key=$(fingerprint) && right_python "$key" || return 1
    case $1 in
        run) made_for run "$key" || made_for web "$key" || made_for camera "$key" ||
            made_for uplink "$key" || made_for fleet "$key" || made_for test "$key" ;;
        web) made_for web "$key" || made_for test "$key" ;;
        camera | uplink | fleet) made_for "$1" "$key" || made_for test "$key" ;;
        test) made_for test "$key" ;;
    esac
}

made_for() { [ -r "$venv/made-for-$1" ] && [ "$(cat -- "$venv/made-for-$1")" = "$2" ]; }

# What a venv is made for: the hash of pyproject.toml and of what is locked, then Python's version
# and the place of the checkout. Fails where the venv's Python does not run.
fingerprint() {
    "$venv/bin/python" -I -S -c 'import hashlib, sys
hashed = hashlib.sha256()
for name in ("pyproject.toml", *("requirements/%s.txt" % it for it in ("build", "run", "web", "camera", "test"))):
    with open(sys.argv[1] + "/" + name, "rb") as file:
        hashed.update(b"%s %s\n" % (hashlib.sha256(file.read()).hexdigest().encode(), name.encode()))
print(hashed.hexdigest(), "%d.%d" % sys.version_info[:2], sys.argv[1])
' "$root" 2>/dev/null </dev/null
}

# Who names a Python in $PYTHON means it: a venv of another version is made anew.
right_python() {
    local version
    [ -n "${PYTHON:-}" ] || return 0
    version=$("$PYTHON" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
        return 0
    case $1 in *" $version "*) ;; *) return 1 ;; esac
}

prepare() {
    local key
    if [ ! -e "$venv/unfinished" ] && same_ground; then
        say "installing into .venv what requirements/$1.txt locks (once)"
        : >"$venv/unfinished"
    else
        make_venv
    fi
    key=$(fingerprint) || die "the Python in $venv does not run"
    rm -f -- "$venv"/made-for-*
    pip_install "$1" || exit 1
    printf '%s\n' "$key" >"$venv/made-for-$1"
    rm -f -- "$venv/unfinished"
}

# Whether pip can bring this venv up to date: it has a pip, and neither moved nor changed Python.
same_ground() {
    local key old
    key=$(fingerprint) && right_python "$key" || return 1
    "$venv/bin/python" -I -c 'import pip, sys; assert sys.version_info >= (3, 11)' 2>/dev/null ||
        return 1
    for old in "$venv"/made-for-*; do
        [ ! -e "$old" ] || [ "$(cut -d' ' -f2- -- "$old")" = "${key#* }" ] || return 1
    done
}

make_venv() {
    local python out
    python=$(find_python "import ensurepip, venv") || {
        apt_python
        python=$(find_python "import ensurepip, venv") ||
            die "still no Python 3.11 or newer with its venv module; PYTHON=/path/to/it names one"
    }
    say "making .venv (once, about a minute)"
    rm -f -- "$venv"/bin/python* # first, so that a removal cut short is seen to be broken
    rm -rf -- "$venv"
    mkdir -- "$venv"
    : >"$venv/unfinished"
    out=$("$python" -I -m venv "$venv" 2>&1 </dev/null) || { say "$out"; die "can't make $venv"; }
}

# Prints the first Python >= 3.11 that can run the statement given; that of the system where a
# venv is active, for that may be the one to be made anew.
find_python() {
    local name
    for name in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
        "$name" -I -c "import sys; assert sys.version_info >= (3, 11); $1
print(getattr(sys, '_base_executable', None) or sys.executable)" 2>/dev/null </dev/null && return
    done
    return 1
}

apt_python() {
    local packages="python3 python3-venv" found what out
    local lacking="Python 3.11 or newer with its venv module is missing"
    if found=$(find_python "pass"); then
        lacking="Python's venv module is missing"
        case ${found##*/} in python3.*) packages="${found##*/}-venv" ;; *) packages=python3-venv ;; esac
    fi
    command -v apt-get >/dev/null || die "$lacking: install it and run this again"
    what="apt-get update && apt-get install -y $packages"
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null; then die "$lacking; type: sudo sh -c '$what'"; fi
        die "$lacking; type: su -c '$what'"
    fi
    say "$lacking: installing $packages with apt-get"
    export DEBIAN_FRONTEND=noninteractive
    # An update that fails in part (a third party's archive) may still do; the install decides.
    # shellcheck disable=SC2086 # packages are words
    out=$(exec 2>&1 </dev/null
        apt-get -q -o DPkg::Lock::Timeout=300 update
        apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $packages) ||
        { say "$out"; die "apt-get could not install $packages"; }
}

pip_install() (
    # With HOME empty pip would keep its cache in /; the home of this user is the right place.
    if [ -z "${HOME:-}" ]; then
        unset HOME
        HOME=$("$venv/bin/python" -I -c 'import os; print(os.path.expanduser("~"))')
        case $HOME in /*) ;; *) HOME=/nonexistent ;; esac # a user without a name has none
        export HOME
    fi
    cd -- "$root" || exit 1
    pip() {
        PIP_USER=0 "$venv/bin/python" -I -m pip install --quiet --no-input \
            --disable-pip-version-check "$@"
    }
    {
        pip --require-hashes -r requirements/build.txt -r "requirements/$1.txt" &&
            pip --no-deps --no-build-isolation -e .
    } >"$venv/install.log" 2>&1 </dev/null || {
        cat -- "$venv/install.log" >&2
        die "pip could not install what requirements/$1.txt locks; the reason stands above"
    }
)

check_writable() {
    if [ ! -w "$root" ]; then
        die "$root is not writable for you, and .venv has to be made in it:" \
            "run this as its owner once, or use a copy of your own"
    elif [ -e "$venv" ] && [ ! -w "$venv" ]; then
        die "$venv has to be changed and is not writable for you: run this as its owner, or remove it"
    fi
}
