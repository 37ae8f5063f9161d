"""`zparkctl setup`: make this machine one on which zparkd runs as a service.

Puts the user, the directories, the unit, the message catalogs and a first configuration in their
places. What belongs to the program is brought up to date; a configuration is never changed.
"""

import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import click
import zmq

from zparkd.cli.commands.upkeep.keygen import new_key
from zparkd.cli.context import Exit, fail
from zparkd.cli.files import FILE_MODE, write_new
from zparkd.cli.output import print_json
from zparkd.config.load import DEFAULT_PATH, SECTIONS, ConfigError, load, read_secret_key
from zparkd.core.keys import fingerprint

USER = "zparkd"
CAMERA_USER = "zparkd-camera"
DATA = Path(__file__).resolve().parents[3] / "data"  # links in a checkout, files in a wheel
STATE = Path("/var/lib/zparkd")
_PACKAGED = Path("/usr/lib/systemd/system/zparkd.service")  # where only a package puts it
# What the unit hides from the daemon: programs and Python must be somewhere else.
HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))
_DIR_MODE = 0o750
_SHARED_MODE = 0o770  # where the daemon puts members, and who is added at the gateway
_FIRST_LOGIN = "zparkd-web user add NAME --role admin"
_ID = SECTIONS["central"]["id"]
_SITE = SECTIONS["central"]["site"]
_ADDRESS = SECTIONS["listen"]["address"]
_SHOWN_ADDRESS = f'#address = "{_ADDRESS.default}"'
KEY_FILE = DEFAULT_PATH.parent / "central.key"


@click.command(epilog="Example: zparkctl setup --site lot-a")
@click.option("--id", "central_id", help="The id of this central.  [default: the host's name]")
@click.option("--site", default=_SITE.example, show_default=True, help="The car park.")
@click.option("--address", help="Its address, where peers and cameras reach it, or 0.0.0.0.")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    help="Put all of it below this directory: to look at, or for a package.",
)
@click.option("--bin", "programs", type=click.Path(path_type=Path), help="Where zparkd is.")
@click.option(
    "--lib",
    type=click.Path(path_type=Path),
    default=Path("/usr/local/lib"),
    show_default=True,
    help="Where units go; for a package /usr/lib.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def setup(
    file: Path,
    *,
    central_id: str | None,
    site: str,
    address: str | None,
    root: Path | None,
    programs: Path | None,
    lib: Path,
    as_json: bool,
) -> None:
    """Make this machine run zparkd: user, directories, unit, first files.

    Can be run again, also after an update: it never changes a configuration. Needs root, but
    for --root.
    """
    if file != DEFAULT_PATH:
        raise click.UsageError(f"setup is about {DEFAULT_PATH}; for another place: --root DIR")
    central_id = _valid("--id", _ID.parse, central_id or _name_of_host())
    site = _valid("--site", _SITE.parse, site)
    address = address and _valid("--address", _ADDRESS.parse, address)
    if root is None and os.geteuid() != 0:
        fail(
            Exit.NO, "not_root", "must be root: sudo zparkctl setup, or --root DIR", as_json=as_json
        )
    try:
        programs = programs or (Path("/usr/bin") if root is not None else find_programs())
        machine = Machine(root)
        _place(machine, programs.absolute(), lib)
        _configure(machine, central_id, site, address)
        key = central_key(machine) if root is None else None
        if root is None:
            _announce(machine)
    except (OSError, subprocess.CalledProcessError, LookupError, ValueError) as fault:
        fail(Exit.NO, "setup_failed", f"not done: {fault}", as_json=as_json)
    following = _following(machine, programs)
    if as_json:
        done = [{"what": what, "path": path} for what, path in machine.done]
        keys = {"public_key": key, "fingerprint": key and fingerprint(key)}
        login = {"first_login": _FIRST_LOGIN} if _has_gateway() else {}
        print_json({"success": True, "done": done, **keys, "next": following, **login})
        return
    for what, path in machine.done:
        click.echo(f"{what:8} {path}")
    if key is not None:
        zparkctl = f"{programs.absolute()}/zparkctl"
        click.echo(f"\nits key {key}\nfingerprint {fingerprint(key)}")
        click.echo(f"\nonce it runs, for each other machine: {zparkctl} invite ID")
    if _has_gateway():
        click.echo(f"\nfirst login of the page: {programs.absolute()}/{_FIRST_LOGIN}")
    click.echo(f"\nnext: {following}")


class Machine:
    """The machine that is set up, or a directory that stands for it; and what was done."""

    def __init__(self, root: Path | None) -> None:
        self.root = root
        self.done: list[tuple[str, str]] = []

    def at(self, path: Path) -> Path:
        """Where a path of the machine is now."""
        return self.root / path.relative_to("/") if self.root is not None else path

    def note(self, what: str, path: object) -> None:
        """Remember what was done, to tell it."""
        self.done.append((what, str(path)))

    def folder(self, path: Path, owner: str, mode: int = _DIR_MODE, group: str = USER) -> None:
        """Make a directory that a service may read, and with _SHARED_MODE also write to."""
        place = self.at(path)
        if place.is_dir():
            lacking = mode & ~place.stat().st_mode
            if lacking & 0o070:
                self._own(place, owner, group)
                place.chmod(mode)
            self.note("updated" if lacking & 0o070 else "kept", path)
            return
        place.mkdir(parents=True)
        place.chmod(mode)
        self._own(place, owner, group)
        self.note("made", path)

    def _own(self, place: Path, owner: str, group: str) -> None:
        if self.root is None:
            shutil.chown(place, owner, group)

    def program_file(self, path: Path, content: bytes) -> None:
        """Put a file of the program in its place, or bring it up to date."""
        place = self.at(path)
        before = place.read_bytes() if place.exists() else None
        if before == content:
            self.note("kept", path)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_name(f".{place.name}.new")
        fresh.write_bytes(content)
        fresh.chmod(0o644)
        fresh.replace(place)
        self.note("made" if before is None else "updated", path)


# --- what is placed


def _place(machine: Machine, programs: Path, lib: Path) -> None:
    """The files of the program, its user, and its directories."""
    if machine.root is None and _PACKAGED.exists():
        machine.note("kept", f"the files of the package, such as {_PACKAGED}")
        _make_user(machine, _PACKAGED.parents[2] / "sysusers.d" / "zparkd.conf")
    else:
        _place_program(machine, programs, lib)
    folder = DEFAULT_PATH.parent
    machine.folder(folder, "root")
    machine.folder(folder / "peers.d", "root", _SHARED_MODE)
    machine.folder(folder / "edges.d", "root", _SHARED_MODE)
    machine.folder(STATE, USER)
    if _has_camera():
        machine.folder(folder / "cameras.d", "root", _SHARED_MODE, CAMERA_USER)
    for sample in sorted((DATA / "etc").glob("*.d/*.example")):
        if sample.parent.name != "cameras.d" or _has_camera():
            machine.program_file(folder / sample.parent.name / sample.name, sample.read_bytes())
    if _has_camera():
        sample = DATA / "etc" / "camera.toml.example"
        machine.program_file(folder / sample.name, sample.read_bytes())


def _place_program(machine: Machine, programs: Path, lib: Path) -> None:
    users = lib / "sysusers.d" / "zparkd.conf"
    machine.program_file(users, (DATA / "systemd" / "zparkd.sysusers").read_bytes())
    if machine.root is None:
        _make_user(machine, users)
    for name in _units():
        unit = (DATA / "systemd" / name).read_text("utf-8")
        unit = unit.replace("=/usr/bin/", f"={programs}/")
        machine.program_file(lib / "systemd" / "system" / name, unit.encode())
    for catalog in sorted((DATA / "systemd").glob("*.catalog")):
        machine.program_file(lib / "systemd" / "catalog" / catalog.name, catalog.read_bytes())


def _units() -> list[str]:
    """The files of the services that can run here."""
    found = [path.name for path in (DATA / "systemd").iterdir()]
    units = sorted(name for name in found if name.endswith((".service", ".timer")))
    lacking = {
        "zparkd-web.service": not _has_gateway(),
        "zparkd-camera.service": not _has_camera(),
        "zparkd-uplink.service": not _has_uplink(),
        "zparkd-fleet.service": not _has_fleet(),
    }
    return [name for name in units if not lacking.get(name)]


def _has_gateway() -> bool:
    """Whether the extra [web] is installed."""
    return find_spec("uvicorn") is not None


def _has_camera() -> bool:
    """Whether the extra [camera] is installed."""
    return find_spec("paho") is not None


def _has_uplink() -> bool:
    """Whether the extra [uplink] is installed."""
    return find_spec("nats") is not None


def _has_fleet() -> bool:
    """Whether the extra [fleet] is installed."""
    return find_spec("psycopg") is not None


def _make_user(machine: Machine, users: Path) -> None:
    for user in (USER, CAMERA_USER):
        try:
            pwd.getpwnam(user)
        except KeyError:
            pass
        else:
            machine.note("kept", f"user {user}")
            continue
        if shutil.which("systemd-sysusers"):
            _run("systemd-sysusers", str(users))
        else:
            home = ("--home-dir", str(STATE.with_name(user)), "--no-create-home")
            shell = ("--shell", "/usr/sbin/nologin")
            _run("useradd", "--system", "--user-group", *home, *shell, user)
        machine.note("made", f"user {user}")


def prepare() -> None:
    """All that a machine needs but a configuration: for who joins. Needs root.

    Raises OSError, CalledProcessError, LookupError or ValueError.
    """
    machine = Machine(None)
    _place(machine, find_programs().absolute(), Path("/usr/local/lib"))
    central_key(machine)


def first_configuration(central_id: str, site: str, address: str | None) -> str:
    """The reference, with the names of a central in it."""
    text = (DATA / "etc" / "zparkd.toml").read_text("utf-8")
    for key, example, value in (("id", _ID.example, central_id), ("site", _SITE.example, site)):
        line = f'\n{key} = "{example}"\n'
        assert text.count(line) == 1
        text = text.replace(line, f'\n{key} = "{value}"\n')
    if address is not None:
        text = text.replace(_SHOWN_ADDRESS, f'address = "{address}"')
    return text


def announce() -> str:
    """Have systemd and the journal see what is new; the command that starts the daemon."""
    machine = Machine(None)
    _announce(machine)
    return _following(machine, find_programs())


def _configure(machine: Machine, central_id: str, site: str, address: str | None) -> None:
    """The first configuration: the reference, with this central's names in it."""
    place = machine.at(DEFAULT_PATH)
    text = first_configuration(central_id, site, address)
    try:
        write_new(place, text.encode(), place.parent)
    except FileExistsError:
        machine.note("kept", DEFAULT_PATH)
    else:
        machine.note("made", f"{DEFAULT_PATH}: {central_id} of site {site}")
        place.chmod(FILE_MODE)


def central_key(machine: Machine) -> str:
    """The public key of this machine, whose secret one is made where there is none.

    It is the daemon's alone, and not its group's, to which the gateway belongs. There is none for
    `--root`: a package that held one would give the same to all.
    """
    if KEY_FILE.exists():
        machine.note("kept", KEY_FILE)
        secret = read_secret_key(KEY_FILE, private=False)
    else:
        secret = new_key(KEY_FILE)
        shutil.chown(KEY_FILE, USER, USER)
        machine.note("made", f"{KEY_FILE}: the key of this central")
    return zmq.curve_public(secret).decode()


def _announce(machine: Machine) -> None:
    """Have systemd and the journal see what is new."""
    if shutil.which("journalctl"):
        _run("journalctl", "--update-catalog")
        machine.note("told", "the journal, of the catalogs")
    if _systemd_runs():
        _run("systemctl", "daemon-reload")
        machine.note("told", "systemd, of the unit")


# --- what this machine is


def _valid(option: str, parse: Callable[[object], object], value: str) -> str:
    try:
        return str(parse(value))
    except ValueError as fault:
        raise click.UsageError(f"{option}: {fault}") from None


def _name_of_host() -> str:
    """The name of this host as an id: what can't stand in one becomes a hyphen."""
    name = socket.gethostname().partition(".")[0].lower()
    return re.sub("[^a-z0-9-]", "-", name).strip("-")[:32].strip("-") or _ID.example


def find_programs() -> Path:
    """Where zparkd and zparkctl are installed. Raises LookupError where the daemon can't see it."""
    places = (Path(sys.argv[0]).parent, Path(sysconfig.get_path("scripts")))
    for place in places:
        if (place / "zparkd").is_file() and (place / "zparkctl").is_file():
            break
    else:
        raise LookupError("zparkd is not installed: pip install it, or name its place by --bin")
    needed = (place, DATA.parent, Path(sys.base_prefix))
    for path in (path.resolve() for path in needed):
        if any(path.is_relative_to(hidden) for hidden in HIDDEN):
            raise LookupError(
                f"the service may not look into {path}; install zparkd where it may:"
                " /usr/bin/python3 -m venv /opt/zparkd && /opt/zparkd/bin/pip install ."
            )
    return place


def _systemd_runs() -> bool:
    return Path("/run/systemd/system").is_dir()


def _following(machine: Machine, programs: Path) -> str:
    """The command that comes next."""
    if machine.root is not None:
        return f"as root, with what is below {machine.root} in /: systemctl enable --now zparkd"
    try:
        load(DEFAULT_PATH)
    except ConfigError:
        return f"{programs}/zparkctl config check"
    if not _systemd_runs():
        return f"{programs}/zparkd (there is no systemd here that could run it)"
    if subprocess.run(["systemctl", "--quiet", "is-active", "zparkd"], check=False).returncode:
        return f"look at {DEFAULT_PATH}, then: systemctl enable --now zparkd"
    changed = any(what == "updated" for what, _ in machine.done)
    return "systemctl restart zparkd" if changed else f"{programs}/zparkctl status"


def _run(*command: str) -> None:
    """Run a command. Raises CalledProcessError or OSError."""
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
