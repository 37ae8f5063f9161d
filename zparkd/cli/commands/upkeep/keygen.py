"""`zparkctl keygen`: the secret key of a central or a camera, and the public key it goes with."""

import grp
import os
import pwd
from pathlib import Path

import click
import zmq

from zparkd.cli.context import Exit, fail
from zparkd.cli.output import print_json
from zparkd.config.load import read_secret_key
from zparkd.core.keys import fingerprint


@click.command(epilog="Example: zparkctl keygen /etc/zparkd/central.key")
@click.argument("key_file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--public", is_flag=True, help="Make none: print the public key of the one in FILE.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def keygen(key_file: Path, public: bool, as_json: bool) -> None:
    """Write a new secret key to FILE, and print its public key.

    The file is for its owner alone, and one that exists is never overwritten. Made by root in a
    folder of a service's group, such as /etc/zparkd, it is that service's own. The public key
    stands alone on a line; it goes into peers.d or edges.d of the others. Its fingerprint, on
    standard error, is for comparing by eye: `zparkctl peer list` shows it at the others.
    """
    try:
        secret = read_secret_key(key_file, private=False) if public else new_key(key_file)
    except FileExistsError:
        message = f"{key_file}: exists, and is not overwritten; for its public key: --public"
        fail(Exit.NO, "exists", message, as_json=as_json)
    except OSError as fault:
        fail(Exit.NO, "file", f"{key_file}: {(fault.strerror or '').lower()}", as_json=as_json)
    except ValueError as fault:
        fail(Exit.NO, "bad_key", str(fault), as_json=as_json)
    key = zmq.curve_public(secret).decode()
    if as_json:
        print_json({"success": True, "public_key": key, "fingerprint": fingerprint(key)})
    else:
        click.echo(key)
        click.echo(f"fingerprint {fingerprint(key)}", err=True)


def new_key(key_file: Path) -> bytes:
    """A new secret key, once it is in the file and on the disk. Raises OSError.

    Where root makes it for a service, the service owns the file: a mode that lets its group read
    would let in the gateway too.
    """
    _, secret = zmq.curve_keypair()
    descriptor = os.open(key_file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with open(descriptor, "wb") as opened:
            os.fchmod(descriptor, 0o600)
            give_to_service(descriptor, key_file.parent)
            opened.write(secret + b"\n")
            opened.flush()
            os.fsync(descriptor)
    except OSError:
        key_file.unlink(missing_ok=True)
        raise
    return secret


def give_to_service(made: int | Path, folder: Path) -> None:
    """Have what root makes for a service in its folder be that service's own. Raises OSError."""
    if os.geteuid() == 0 and (service := _service_of(folder)) is not None:
        os.chown(made, service.pw_uid, service.pw_gid)


def _service_of(folder: Path) -> pwd.struct_passwd | None:
    """The account that has the name of a folder's group; None where root has it, or nobody."""
    group = folder.stat().st_gid
    try:
        return pwd.getpwnam(grp.getgrgid(group).gr_name) if group else None
    except KeyError:
        return None
