"""The Debian package: a tree as it will be on the machine, packed by dpkg-deb.

    python -m package.deb WHEEL DIR [--version V]

Everything of Python is in /opt/zparkd, a virtual environment of its own for the python3 of the
distribution, with what the locks of its programs name. So nothing of the distribution changes it,
and nothing of it changes the distribution. What it holds is compiled here: the services may not
write there. Run it with a Python of the version that the distribution has.
"""

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from textwrap import dedent

from package import man
from zparkd import __version__

ROOT = Path(__file__).resolve().parent.parent
HOME = "opt/zparkd"
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
PROGRAMS = {
    "zparkd": "zparkd.daemon.main:main",
    "zparkctl": "zparkd.cli.main:main",
    "zparkd-web": "zparkd.web.command:main",
    "zparkd-camera": "zparkd.camera.command:main",
}
LOCKS = ("camera", "web")
COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/zparkctl",
    "zsh": "usr/share/zsh/vendor-completions/_zparkctl",
    "fish": "usr/share/fish/vendor_completions.d/zparkctl.fish",
}

_CONTROL = """\
Package: zparkd
Version: {version}
Architecture: {architecture}
Maintainer: the zparkd authors <zparkd@localhost>
Installed-Size: {kilobytes}
Depends: python3 (>= {minor}), python3 (<< {minor}.99), passwd
Recommends: chrony | systemd-timesyncd | ntpsec, systemd
Section: net
Priority: optional
Description: message bus with memory for the gates of a car park
 Each central records every entry and exit in a database of its own, shares it
 with all others of its site at once, and goes on alone when the network is cut.
 .
 After the installation: zparkctl setup --site NAME, which makes a key and the
 first configuration, and says what comes next.
"""

# Runs after the files are there, on a first installation and on every later one.
_POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    for user in zparkd zparkd-camera; do
        if ! getent passwd $user >/dev/null; then
            useradd --system --user-group --home-dir /var/lib/$user --no-create-home \\
                --shell /usr/sbin/nologin --comment "$user, of a car park" $user
        fi
    done
    while read -r path owner mode; do
        mkdir -p "$path"
        chown "$owner" "$path"
        chmod "$mode" "$path"
    done <<FOLDERS
/etc/zparkd root:zparkd 0750
/etc/zparkd/peers.d root:zparkd 0770
/etc/zparkd/edges.d root:zparkd 0770
/etc/zparkd/cameras.d root:zparkd-camera 0770
/var/lib/zparkd zparkd:zparkd 0750
FOLDERS
    if command -v journalctl >/dev/null; then journalctl --update-catalog || :; fi
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        # A central that runs takes up the new version: cameras ask the next one meanwhile.
        if [ -n "$2" ]; then systemctl try-restart zparkd zparkd-web zparkd-camera || :; fi
    fi
    if [ ! -e /etc/zparkd/zparkd.toml ]; then
        echo "zparkd: next: zparkctl setup --site NAME"
    fi
fi
"""

_PRERM = """\
#!/bin/sh
set -e
units="zparkd-camera.service zparkd-web.service zparkd-backup.timer zparkd.service"
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --now $units || :
elif [ "$1" = remove ] && command -v systemctl >/dev/null; then
    systemctl disable $units 2>/dev/null || :
fi
"""

_POSTRM = """\
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then systemctl daemon-reload || :; fi
if command -v journalctl >/dev/null; then journalctl --update-catalog 2>/dev/null || :; fi
if [ "$1" = purge ]; then
    rm -rf /etc/zparkd /etc/default/zparkd-web /etc/default/zparkd-backup
    if [ -d /var/lib/zparkd ]; then
        echo "zparkd: the database stays, and the user it belongs to: /var/lib/zparkd"
    fi
fi
"""


def tree(root: Path, wheel: Path) -> None:
    """Make below `root` all that the package puts on a machine."""
    site = root / HOME / "lib" / f"python{MINOR}" / "site-packages"
    pip = [sys.executable, "-I", "-m", "pip", "install", "--quiet", "--no-compile"]
    target = ["--no-deps", "--target", str(site), "--only-binary=:all:"]
    locked = ["--require-hashes"]
    for name in LOCKS:
        locked += ["--requirement", str(ROOT / f"requirements/{name}.txt")]
    _run(*pip, *target, *locked)
    _run(*pip, *target, "--no-index", str(wheel))
    shutil.rmtree(site / "bin", ignore_errors=True)
    _environment(root)
    # Named as they will be there, whatever this place is called.
    _run(
        sys.executable,
        "-I",
        "-m",
        "compileall",
        "-q",
        "--invalidation-mode=unchecked-hash",
        f"-s{root}",
        "-p/",
        str(site),
    )
    _system(root)


def _environment(root: Path) -> None:
    """A virtual environment by hand: one made by `venv` would name the Python of this machine."""
    home = root / HOME
    (home / "bin").mkdir()
    (home / "bin/python3").symlink_to(f"/usr/bin/python{MINOR}")
    (home / "bin/python").symlink_to("python3")
    (home / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    (root / "usr/bin").mkdir(parents=True)
    for name, entry in PROGRAMS.items():
        module, _, function = entry.partition(":")
        program = home / "bin" / name
        program.write_text(
            f"#!/{HOME}/bin/python3 -I\nimport sys\n\nfrom {module} import {function}\n\n"
            f"sys.argv[0] = {name!r}\nsys.exit({function}())\n"
        )
        program.chmod(0o755)
        (root / "usr/bin" / name).symlink_to(f"/{HOME}/bin/{name}")


def _system(root: Path) -> None:
    """What lies outside of /opt: units, catalogs, samples, man pages, completions, papers."""
    _run(
        sys.executable,
        "-m",
        "zparkd.cli.main",
        "setup",
        "--root",
        str(root),
        "--bin",
        "/usr/bin",
        "--lib",
        "/usr/lib",
        "--json",
    )
    (root / "etc/zparkd/zparkd.toml").unlink()  # each machine's own, made there
    man.main(root / "usr/share/man")
    for page in sorted((root / "usr/share/man").rglob("*.[158]")):
        with page.with_name(f"{page.name}.gz").open("wb") as packed:
            packed.write(gzip.compress(page.read_bytes(), mtime=0))
        page.unlink()
    for shell, place in COMPLETIONS.items():
        script = _run(sys.executable, "-m", "zparkd.cli.main", "completion", shell)
        (root / place).parent.mkdir(parents=True)
        (root / place).write_bytes(script)
    papers = root / "usr/share/doc/zparkd"
    shutil.copytree(ROOT / "docs", papers / "docs", ignore=shutil.ignore_patterns("img", "*.py"))
    shutil.copytree(ROOT / "etc", papers / "examples")
    shutil.copy(ROOT / "README.md", papers)
    shutil.copy(ROOT / "CHANGELOG.md", papers / "changelog")
    shutil.copy(ROOT / "LICENSE", papers / "copyright")
    for path in root.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)


def deb(wheel: Path, folder: Path, work: Path, version: str = __version__) -> Path:
    """The package of a wheel, in `folder`; `work` is an empty directory for the tree."""
    root = work / "root"
    root.mkdir()
    tree(root, wheel)
    architecture = _run("dpkg", "--print-architecture").decode().strip()
    size = sum(path.lstat().st_size for path in root.rglob("*") if not path.is_dir())
    control = root / "DEBIAN"
    control.mkdir()
    fields = {"version": version, "architecture": architecture, "minor": MINOR}
    (control / "control").write_text(_CONTROL.format(**fields, kilobytes=-(-size // 1024)))
    samples = sorted((root / "etc").rglob("*"))
    names = [f"/{path.relative_to(root)}\n" for path in samples if path.is_file()]
    (control / "conffiles").write_text("".join(names))
    for name, script in (("postinst", _POSTINST), ("prerm", _PRERM), ("postrm", _POSTRM)):
        (control / name).write_text(dedent(script))
        (control / name).chmod(0o755)
    made = folder / f"zparkd_{version}_{architecture}.deb"
    _run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(root), str(made))
    return made


def _committed() -> str:
    """When the checkout was committed, in seconds: what is packed says no other time."""
    asked = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    done = subprocess.run(asked, check=False, capture_output=True, text=True)
    return done.stdout.strip() or "1735689600"


def _run(*command: str) -> bytes:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("ZPARKD_CONFIG", None)
    environment.setdefault("SOURCE_DATE_EPOCH", _committed())
    done = subprocess.run(command, check=False, capture_output=True, cwd=ROOT, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def main() -> None:
    """Make the package, and print where it is."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("wheel", type=Path)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--version", default=__version__)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="zparkd-package-") as work:
        os.umask(0o022)
        print(deb(given.wheel.absolute(), given.folder.absolute(), Path(work), given.version))


if __name__ == "__main__":
    main()
