"""What a wheel of zparkd needs, as it is locked: a bill of materials (SBOM), CycloneDX 1.6 as JSON.

    python requirements/sbom.py dist/zparkd-0.1.0-py3-none-any.whl

Made of run.txt and those of the extras beside this file, and of the wheel; the same of these gives
the same bytes. What only an extra needs is optional, and says which. Of each component there are
the hashes of all files that are locked, one for each platform and version of Python.
"""

import hashlib
import json
import re
import sys
import uuid
from email import message_from_bytes
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

HERE = Path(__file__).resolve().parent
RUN = "run"
EXTRAS = ("web", "camera", "uplink", "fleet")
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)(?: *; *(.*?))? *\\?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_VIA = re.compile(r"^    #(?: via)? *(?!via$)([A-Za-z0-9][A-Za-z0-9._-]*)")
_Json = dict[str, Any]


class Locked(NamedTuple):
    """A package at one version; `needed_by` names others, or `zparkd`."""

    name: str
    version: str
    marker: str | None
    hashes: tuple[str, ...]
    needed_by: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Its name in all registries."""
        return f"pkg:pypi/{self.name}@{self.version}"


def locked(text: str) -> list[Locked]:
    """The packages in a lock file."""
    found: list[Locked] = []
    for line in text.splitlines():
        if pinned := _PINNED.match(line):
            name = re.sub(r"[-_.]+", "-", pinned[1]).lower()
            found.append(Locked(name, pinned[2], pinned[3], (), ()))
        elif hashed := _HASH.search(line):
            found[-1] = found[-1]._replace(hashes=(*found[-1].hashes, hashed[1]))
        elif via := _VIA.match(line):
            found[-1] = found[-1]._replace(needed_by=(*found[-1].needed_by, via[1]))
    return found


def together(texts: dict[str, str]) -> tuple[list[Locked], dict[str, list[str]]]:
    """The packages of all lock files, by name, and in which files each is."""
    found: dict[str, Locked] = {}
    files: dict[str, list[str]] = {}
    for file, text in texts.items():
        for package in locked(text):
            held = found.setdefault(package.name, package)
            by = dict.fromkeys((*held.needed_by, *package.needed_by))
            found[package.name] = held._replace(needed_by=tuple(by))
            files.setdefault(package.name, []).append(file)
    return [found[name] for name in sorted(found)], files


def sbom(texts: dict[str, str], wheel: Path) -> _Json:
    """The bill of materials of a wheel, from the texts of the lock files by name."""
    with ZipFile(wheel) as opened:
        [place] = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        about = message_from_bytes(opened.read(place))
    name, version = about["Name"], about["Version"]
    packages, files = together(texts)
    ours = f"pkg:pypi/{name}@{version}"
    purls = {package.name: package.purl for package in packages} | {name: ours}
    needs: dict[str, list[str]] = {purl: [] for purl in purls.values()}
    for package in packages:
        for by in package.needed_by:
            needs[purls[by]].append(package.purl)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    locks = hashlib.sha256("".join(texts.values()).encode()).hexdigest()
    serial = uuid.uuid5(uuid.NAMESPACE_URL, f"{ours}?sha256={digest}#{locks}")
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": ours,
                "name": name,
                "version": version,
                "purl": ours,
                "licenses": [{"license": {"id": about["License-Expression"]}}],
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
        },
        "components": [_component(package, files[package.name]) for package in packages],
        "dependencies": [
            {"ref": purl, "dependsOn": sorted(on)} for purl, on in sorted(needs.items())
        ],
    }


def _component(package: Locked, files: list[str]) -> _Json:
    required = RUN in files
    component: _Json = {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
        "scope": "required" if required and package.marker is None else "optional",
        "hashes": [{"alg": "SHA-256", "content": found} for found in package.hashes],
    }
    properties = [] if required else [{"name": "zparkd:extra", "value": it} for it in files]
    if package.marker is not None:
        properties.append({"name": "zparkd:marker", "value": package.marker})
    if properties:
        component["properties"] = properties
    return component


if __name__ == "__main__":
    texts = {name: (HERE / f"{name}.txt").read_text("utf-8") for name in (RUN, *EXTRAS)}
    print(json.dumps(sbom(texts, Path(sys.argv[1])), indent=2))
