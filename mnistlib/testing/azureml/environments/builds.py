"""Interpreters for jobs, with the packages of the submitted environment and nothing else.

``host``
    A folder in the form of a virtual environment with links to the packages of this interpreter that the specification
    asks for, and to their requirements. It takes milliseconds to create, and other imports fail as in
    the cloud. Versions are this interpreter's own; the log says where the specification asks for others.
``venv``
    A virtual environment that pip builds from the specification: slow, and the proof that it is complete.
"""

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import venv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from mnistlib.testing.azureml.store import Document

#: A package that only requires others, and that every environment of Microsoft's own contains.
_ALIASES = {"azureml-defaults": "azureml-core"}
_CONDA = re.compile(r"^(?:[\w./-]+::)?(?P<name>[A-Za-z0-9_.-]+)\s*(?P<version>.*)$")
_NOT_FROM_PIP = frozenset({"python", "pip"})
#: Packages that every conda environment with Python contains.
_ALWAYS = ("pip", "setuptools", "wheel")

_building = threading.Lock()


class ImageBuildError(Exception):
    """An environment that cannot be built; `log` is the output of the attempt."""

    def __init__(self, message: str, *, log: str) -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True, kw_only=True)
class Python:
    """An interpreter for jobs, and the log of its build."""

    executable: Path
    log: str


def build_python(environment: Document, *, kind: str, folder: Path, builder: dict[str, str]) -> Python:
    """Return the interpreter for a submitted environment; equal environments are built once, below `folder`.

    The kinds are those of the module, "host" and "venv"; `builder` are the variables for pip.

    Raises
    ------
    ImageBuildError
        If pip cannot install the packages.
    """
    section = environment.get("python") or {}
    managed_by_user = bool(section.get("userManagedDependencies"))
    # The content of an image that the user manages is unknown: all packages of this machine stand for it.
    asked = [] if managed_by_user else requirements(section.get("condaDependencies") or {})
    installed = sorted(f"{name} {found.version}" for name, found in _installed().items()) if kind == "host" else []
    facts = json.dumps([kind, sys.version, sys.prefix, managed_by_user, asked, installed])
    place = folder / f"{kind}-{hashlib.sha256(facts.encode()).hexdigest()[:16]}"
    with _building:
        if not (place / "build.log").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            if kind == "venv":
                log = _install(place, asked, builder)
            else:
                log = _link(place, set(_installed()) if managed_by_user else _closure(asked), asked)
            # Last: its existence means that the rest is complete.
            (place / "build.log").write_text(_note_on_python(section.get("condaDependencies") or {}) + log)
    return Python(executable=place / "bin" / "python", log=(place / "build.log").read_text())


def requirements(conda: Document) -> list[str]:
    """Return a conda specification's packages as pip's requirements, without Python itself."""
    asked: list[str] = []
    for dependency in conda.get("dependencies") or []:
        if isinstance(dependency, dict):
            asked += dependency.get("pip") or []
        elif (found := _CONDA.match(dependency)) and found["name"].lower() not in _NOT_FROM_PIP:
            version = found["version"].strip()
            if version.startswith("=") and not version.startswith("=="):
                version = f"=={version[1:].partition('=')[0]}.*"  # conda's single equals sign is a prefix match
            asked.append(found["name"] + version)
    return asked


@functools.cache
def _installed() -> dict[str, Distribution]:
    return {canonicalize_name(found.metadata["Name"]): found for found in reversed(list(distributions()))}


def _parsed(texts: Iterable[str]) -> Iterator[Requirement]:
    for text in texts:
        try:
            yield Requirement(text)
        except InvalidRequirement:  # an option of pip, or an address: not the name of a package
            continue


def _closure(asked: list[str]) -> set[str]:
    """Return the names of the installed packages that are asked for, and of their requirements."""
    found: set[tuple[str, str]] = set()
    waiting = [(requirement, "") for requirement in _parsed([*asked, *_ALWAYS])]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        name = canonicalize_name(_ALIASES.get(name, name))
        for wanted in ("", *requirement.extras):
            if name in _installed() and (name, wanted) not in found:
                found.add((name, wanted))
                waiting += [(needed, wanted) for needed in _parsed(_installed()[name].requires or [])]
    return {name for name, _ in found}


@functools.cache
def _owners() -> dict[Path, set[str]]:
    """Return the packages that have files in each folder of site-packages, at every depth."""
    owners: dict[Path, set[str]] = {}
    for name in _installed():
        for root, file in _files(name):
            for place in (file, *file.parents[:-1]):
                owners.setdefault(root / place, set()).add(name)
    return owners


@functools.cache
def _files(name: str) -> list[tuple[Path, Path]]:
    """Return the files of a package, each as the site-packages folder and the path below it."""
    distribution = _installed()[name]
    root = Path(str(distribution.locate_file("")))
    files = [Path(str(file)) for file in distribution.files or [] if not str(file).startswith("..")]
    return [(root, file) for file in files if "__pycache__" not in file.parts]


def _link(place: Path, names: set[str], asked: list[str]) -> str:
    """Create the folder of a virtual environment with links to this interpreter's packages; return the log."""
    site = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(place)}))
    site.mkdir(parents=True)
    (place / "bin").mkdir()
    base = Path(os.path.realpath(sys.executable))
    for alias in ("python", "python3", f"python3.{sys.version_info.minor}"):
        (place / "bin" / alias).symlink_to(base)
    (place / "pyvenv.cfg").write_text(
        f"home = {base.parent}\ninclude-system-site-packages = false\nversion = {sys.version.split()[0]}\n"
    )
    for name in sorted(names):
        for root, file in _files(name):
            # An editable install is only a path to a checkout, which no cluster has.
            if file.name.startswith("__editable__") or file.suffix == ".egg-link":
                continue
            # The largest folder that is wanted as a whole, so that its compiled files are linked too.
            whole = next((part for part in file.parents[-2::-1] if _owners()[root / part] <= names), file)
            target = site / whole
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.is_symlink():
                target.symlink_to(root / whole)
    return "\n".join(_notes(names, asked)) + "\n"


def _notes(names: set[str], asked: list[str]) -> Iterator[str]:
    yield f"Python {sys.version.split()[0]}, with packages of the machine that emulates the service:"
    for name in sorted(names):
        yield f"  {name} {_installed()[name].version}"
    for requirement in _parsed(asked):
        name = canonicalize_name(requirement.name)
        found = _installed().get(canonicalize_name(_ALIASES.get(name, name)))
        if found is None:
            yield f"{requirement}: not installed on this machine, so an import of it fails"
        elif name not in _ALIASES and not requirement.specifier.contains(found.version, prereleases=True):
            yield f"{requirement}: this machine has {found.version}, which is used in its place"


def _note_on_python(conda: Document) -> str:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    for dependency in conda.get("dependencies") or []:
        if isinstance(dependency, str) and (found := _CONDA.match(dependency)) and found["name"] == "python":
            wanted = found["version"].lstrip("=> ")
            if wanted and f"{wanted}.".split(".")[:2] != here.split("."):
                return f"Python {wanted} was asked for; this machine has {here}, which is used in its place\n"
    return ""


def _install(place: Path, asked: list[str], builder: dict[str, str]) -> str:
    """Build a virtual environment with pip; return the log."""
    venv.create(place, with_pip=True)
    # The SDK adds options that name the public index; this machine's own pip may be configured for another one.
    lines = [line for line in asked if "//pypi.python.org/" not in line]
    (place / "requirements.txt").write_text("\n".join(lines) + "\n")
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    command = [*pip, "-r", str(place / "requirements.txt")]
    built = subprocess.run(  # noqa: S603 - pip, with the requirements of the job
        command, env=builder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if built.returncode != 0:
        shutil.rmtree(place)
        last = built.stdout.rstrip().rpartition("\n")[2]
        raise ImageBuildError(f"pip could not install the environment: {last}", log=built.stdout)
    return built.stdout
