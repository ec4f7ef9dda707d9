"""Export of a service as a folder, to run on any machine with Docker or Python."""

import importlib.metadata
import json
import os
import secrets
import shlex
import shutil
import sys
from pathlib import Path

from mnistlib.errors import DeploymentError, MissingExtraError
from mnistlib.models.artifact import MODEL_FILE, is_skops
from mnistlib.models.service import service_name_of
from mnistlib.models.version import ModelVersion
from mnistlib.package import PACKAGE, REQUIRED, package
from mnistlib.serving.packages import FASTER, PACKAGES

#: Direct dependencies of a server; their own dependencies are pinned too.
_REQUIRED = (*REQUIRED, *PACKAGES.values(), *FASTER)
_MARKERS = {"uvloop": "sys_platform != 'win32'"}

_PORT = 8000
_REQUIREMENTS = "requirements.txt"
#: Report of the run that made the model, beside the model's file.
REPORT = "report.html"
#: An example request.
_EXAMPLE = "example.json"

_DOCKERFILE = """\
FROM python:{python}-slim
WORKDIR /service
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
RUN useradd --system service
USER service
ENV PYTHONPATH={package} PYTHONUNBUFFERED=1
EXPOSE {port}
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/health', timeout=3)"]
CMD {command}
"""

_README = """\
# {model} as a service

The model of run {run}, with the server of mnistlib {version} in `{package}`.

Build, start and test:

```
docker build -t {name} .
docker run --rm -p {port}:{port} -e MNISTLIB_TOKEN=secret {name}
curl -H "Authorization: Bearer secret" -H "Content-Type: application/json" -d @{example} http://127.0.0.1:{port}/score
```

`{example}` has one row, of {width}.
`http://127.0.0.1:{port}/` is a page to draw on, `/swagger.json` describes all requests. Replace `secret` by your own
token, which every request must send.

Without Docker, in a virtual environment (Python {python}; reachable from this machine only, without a token):

```
python3 -m venv venv && venv/bin/pip install -r requirements.txt
PYTHONPATH={package} venv/bin/{local}
```
"""


def export_service(model: ModelVersion, folder: str | os.PathLike[str], *, report: str | None = None) -> Path:
    """Write a folder from which a service can be built anywhere.

    The folder holds a Dockerfile, the model, this package, the installed versions of all dependencies, and a README of
    three commands.

    Parameters
    ----------
    model : ModelVersion
        A registered model.
    folder : str or PathLike
        Target, which must be new or empty.
    report : str, optional
        The report of the run that made the model, as HTML, for the service to show.

    Returns
    -------
    Path
        The folder, written atomically.

    Raises
    ------
    DeploymentError
        If the folder is not empty.
    MissingExtraError
        If the server's dependencies are not installed here, so that their versions are not known.
    ModelError
        If the model was changed since it was registered.

    Examples
    --------
    >>> import mnistlib, tempfile
    >>> from mnistlib.serving.container import export_service
    >>> backend = mnistlib.LocalBackend(tempfile.mkdtemp())
    >>> run = backend.submit(mnistlib.TrainJob(dataset="digits", regularization=0.5))
    >>> result = run.result()
    >>> folder = export_service(run.register_model("digits"), tempfile.mkdtemp() + "/service")
    >>> sorted(path.name for path in folder.iterdir())
    ['.dockerignore', 'Dockerfile', 'README.md', 'digits-1', 'example.json', 'mnistlib.zip', 'requirements.txt']
    """
    target = Path(folder).resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DeploymentError(f"folder {target} is not empty: name a new or an empty folder")
    required = (*_REQUIRED, "skops") if is_skops(model.file) else _REQUIRED
    requirements = "".join(f"{line}\n" for line in pinned(required))
    target.parent.mkdir(parents=True, exist_ok=True)
    made = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        file = model.download(made / f"{model.name}-{model.version}")
        if report is not None:
            file.with_name(REPORT).write_text(report, encoding="utf-8")
        width = int(model.load().classifier.n_features_in_)
        (made / _EXAMPLE).write_text(json.dumps({"data": [[0.0] * width]}) + "\n", encoding="utf-8")
        (made / PACKAGE).write_bytes(package())
        (made / _REQUIREMENTS).write_text(requirements, encoding="utf-8")
        (made / ".dockerignore").write_text("venv\n", encoding="utf-8")
        for name, content in _texts(model, file).items():
            (made / name).write_text(content, encoding="utf-8")
        made.replace(target)  # replaces an empty folder
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)  # a second error would hide the first
        raise
    return target


def pinned(names: tuple[str, ...]) -> list[str]:
    """Return the installed versions of distributions and of all their dependencies, as lines of a requirements file.

    The dependencies are those of this system; on another system, pip adds those that are missing. Raise
    MissingExtraError if a distribution in `names` is not installed.
    """
    from packaging.requirements import Requirement

    found: dict[str, str] = {}
    waiting = [(name, True) for name in names]
    while waiting:
        name, named = waiting.pop()
        known = name.lower().replace("_", "-")
        if known in found:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError as error:
            if named and name not in FASTER:
                raise MissingExtraError("A service", "serve") from error
            continue  # a requirement of another system, or of an extra that is not installed
        marker = f"; {_MARKERS[known]}" if known in _MARKERS else ""
        found[known] = f"{known}=={distribution.version}{marker}"
        needed = map(Requirement, distribution.requires or [])
        waiting += [(each.name, False) for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    return sorted(found.values())


def _texts(model: ModelVersion, file: Path) -> dict[str, str]:
    """Return the Dockerfile and the README."""
    from mnistlib._version import __version__

    # A model of this package's runs has a description beside it; for any other, the exporter takes the risk of --trust.
    described = file.name == MODEL_FILE and model.origin is not None
    # Written as a path, so that it is not read as the name of a registered model.
    served = [f"./{file.parent.name}"] if described else [f"./{file.parent.name}/{file.name}", "--trust"]
    local = ["python", "-m", "mnistlib", "serve", *served, "--port", str(_PORT)]
    facts = {
        "model": model.id,
        "name": service_name_of(model.name),
        "run": model.run_id,
        "version": __version__,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "package": PACKAGE,
        "port": _PORT,
        "example": _EXAMPLE,
        "command": json.dumps([*local, "--host", "0.0.0.0"]),  # noqa: S104 - of a container
        "local": shlex.join(local),
        "width": _width(model),
    }
    return {"Dockerfile": _DOCKERFILE.format(**facts), "README.md": _README.format(**facts)}


def _width(model: ModelVersion) -> str:
    if model.origin is None:
        return "as many numbers as the model was trained on"
    rows, columns = model.origin.input_shape
    return f"{rows * columns} numbers from 0 (background) to 1 (ink), {rows} rows of {columns} pixels"
