"""Reading and writing IDX, compared with the tutorial's algorithm and other packages.

Reads the real files in ``$MNISTLIB_DATA/mnist``. The other packages are optional: the tables name those that are
not installed. python-mnist and mnist both install a module `mnist`. To use both, install mnist last, with
``pip install --force-reinstall --no-deps mnist``.
"""

import gzip
import importlib.metadata
import importlib.util
import os
import shutil
import struct
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.harness import MIB, Bar, Timings, arguments, peak_memory, show, time_in_turns, times_bar
from mnistlib.idx import read_idx, write_idx

Reader = Callable[[Path], object]

MNISTLIB = "mnistlib"
WITHOUT_ISAL = "mnistlib without isal"
TUTORIAL = "the tutorial's algorithm"
IDX2NUMPY = "idx2numpy"
MNIST = "mnist"
PYTHON_MNIST = "python-mnist"
TORCHVISION = "torchvision"
FLOOR = "one write of the same bytes"


class PeerMissingError(Exception):
    """A peer cannot be measured; the message is its cell in the table."""


def read_without_isal(path: Path) -> object:
    """Read as on a machine without the `speed` extra."""
    modules: dict[str, Any] = sys.modules
    before = modules.pop("isal", None)
    modules["isal"] = None
    try:
        return read_idx(path)
    finally:
        del modules["isal"]
        if before is not None:
            modules["isal"] = before


def read_as_the_tutorial_does(path: Path) -> object:
    """Follow the Azure ML tutorial: native byte order for the magic number, swapped by hand for the sizes."""
    with gzip.open(path) as file:
        struct.unpack("I", file.read(4))
        count, rows, columns = struct.unpack(">III", file.read(12))
        pixels = np.frombuffer(file.read(count * rows * columns), dtype=np.uint8)
    return pixels.reshape(count, rows * columns)


def read_with_idx2numpy(path: Path) -> object:
    """Pass an open file to idx2numpy, as in its documentation for gzip."""
    with _open(path) as file:
        return _peer(IDX2NUMPY).convert_from_file(file)


def read_with_mnist(path: Path) -> object:
    """Call the parser inside mnist's download functions."""
    module = _peer(MNIST)
    if not hasattr(module, "parse_idx"):
        raise PeerMissingError("hidden by python-mnist: install mnist last")
    with _open(path) as file:
        return module.parse_idx(file)


def read_with_python_mnist(path: Path) -> object:
    """Load images with their labels, as python-mnist always does; the labels are a thousandth of the bytes."""
    labels = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
    loader = _python_mnist().MNIST(str(path.parent), gz=path.suffix == ".gz")
    # python-mnist adds the suffix itself.
    return loader.load(str(path).removesuffix(".gz"), str(labels).removesuffix(".gz"))


def read_with_torchvision(path: Path) -> object:
    """Read a plain file: torchvision extracts compressed files first."""
    if path.suffix == ".gz":
        raise PeerMissingError("reads no gzip")
    return _peer(TORCHVISION, "torchvision.datasets.mnist").read_image_file(str(path))


PEERS: dict[str, Reader] = {
    IDX2NUMPY: read_with_idx2numpy,
    MNIST: read_with_mnist,
    PYTHON_MNIST: read_with_python_mnist,
    TORCHVISION: read_with_torchvision,
}


def main() -> None:
    """Measure and print the tables."""
    options = arguments("Compare reading and writing IDX with other packages.")
    folder = Path(os.environ.get("MNISTLIB_DATA", ""), "mnist")
    if not (folder / "train-images-idx3-ubyte.gz").exists():
        sys.exit("no MNIST files: set MNISTLIB_DATA to the parent folder of mnist/train-images-idx3-ubyte.gz")
    with tempfile.TemporaryDirectory() as name:
        plain_folder = Path(name)
        for compressed in folder.glob("*.gz"):
            with gzip.open(compressed) as source, (plain_folder / compressed.stem).open("wb") as target:
                shutil.copyfileobj(source, target)
        compressed, plain = folder / "train-images-idx3-ubyte.gz", plain_folder / "train-images-idx3-ubyte"
        tables: dict[str, list[dict[str, Any]]] = {}
        bars: list[Bar] = []

        others: dict[str, Reader] = {WITHOUT_ISAL: read_without_isal, TUTORIAL: read_as_the_tutorial_does, **PEERS}
        rows, ratios = compare(others, compressed)
        tables["Read train-images, gzip, 9.9 MB (47 MB of data)"] = rows
        fastest = min(ratios.keys() - {WITHOUT_ISAL}, key=ratios.__getitem__)
        if importlib.util.find_spec("isal"):
            bars.append(times_bar(f"gzip, to the fastest peer ({fastest})", ratios[fastest], 1.8))
        pair = {fastest: partial(others[fastest], compressed), WITHOUT_ISAL: partial(read_without_isal, compressed)}
        ratio = time_in_turns(pair).ratio(fastest, WITHOUT_ISAL)
        bars.append(times_bar("gzip without isal, to the same", ratio, 1.0))

        rows, ratios = compare(PEERS, plain)
        tables["Read train-images, plain, 47 MB"] = rows
        if IDX2NUMPY in ratios:
            bars.append(times_bar("plain, to idx2numpy", ratios[IDX2NUMPY], 3.0))

        times = time_in_turns({"mmap": lambda: read_idx(plain, mmap=True)}, rounds=100)
        seconds = times.median("mmap")
        bars.append(Bar("mmap=True, 47 MB", "under 1 ms", f"{seconds * 1e3:.3f} ms", seconds < 1e-3))

        rows, times = compare_writers(read_idx(plain_folder / "t10k-images-idx3-ubyte"), plain_folder)
        tables["Write t10k-images, plain, 7.8 MB"] = rows
        if IDX2NUMPY in times.seconds:
            bars.append(times_bar("write, to idx2numpy", times.ratio(IDX2NUMPY, MNISTLIB), 500.0))
    show(tables, bars, as_json=options.json)


def compare(others: Mapping[str, Reader], path: Path) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Time each reader of a file in turns with mnistlib alone, and take the peak memory of each.

    Readers are timed in pairs, since a peer that leaves hundreds of MiB behind would slow down the next reader.

    Returns
    -------
    rows : list of dict
        The table.
    ratios : dict of str to float
        Time of each reader, as a multiple of mnistlib's.
    """
    rows: list[dict[str, Any]] = []
    ratios: dict[str, float] = {}
    for name, reader in others.items():
        try:
            reader(path)
        except PeerMissingError as reason:
            rows.append({"reader": name, "remark": str(reason)})
            continue
        times = time_in_turns({MNISTLIB: partial(read_idx, path), name: partial(reader, path)})
        ratios[name] = times.ratio(name, MNISTLIB)
        rows.append(
            {
                "reader": name,
                "milliseconds": times.median(name) * 1e3,
                "mnistlib beside it": times.median(MNISTLIB) * 1e3,
                "ratio": ratios[name],
                "peak MiB": round(peak_memory(reader, path) / MIB),
            }
        )
    rows.append({"reader": MNISTLIB, "peak MiB": round(peak_memory(read_idx, path) / MIB)})
    return rows, ratios


def compare_writers(array: np.ndarray[Any, Any], folder: Path) -> tuple[list[dict[str, Any]], Timings]:
    """Time writers of one array in turns, each time to a new file."""
    path = folder / "written.idx"

    def write_with_mnistlib() -> None:
        write_idx(path, array)

    def write_the_bytes() -> None:
        with path.open("wb", buffering=0) as file:
            file.write(array.data)

    def write_with_idx2numpy() -> None:
        # idx2numpy compiles a format as long as the array. Python caches it, but a program that writes a file once
        # does not benefit.
        struct._clearcache()  # type: ignore[attr-defined] # not a public function
        _peer(IDX2NUMPY).convert_to_file(str(path), array)

    writers: dict[str, Callable[[], object]] = {MNISTLIB: write_with_mnistlib, FLOOR: write_the_bytes}
    rows = []
    try:
        _peer(IDX2NUMPY)
    except PeerMissingError as reason:
        rows.append({"writer": IDX2NUMPY, "remark": str(reason)})
    else:
        writers[IDX2NUMPY] = write_with_idx2numpy
    times = time_in_turns(writers, before_each=lambda: path.unlink(missing_ok=True))
    measured = [
        {"writer": name, "milliseconds": times.median(name) * 1e3, "to mnistlib": times.ratio(name, MNISTLIB)}
        for name in writers
    ]
    return measured + rows, times


def _open(path: Path) -> Any:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _peer(distribution: str, name: str | None = None) -> Any:
    try:
        importlib.metadata.version(distribution)
        return importlib.import_module(name or distribution)
    except ImportError as error:
        raise PeerMissingError("not installed") from error


def _python_mnist() -> ModuleType:
    """Load python-mnist from its file, since the package mnist has the same module name."""
    if loaded := sys.modules.get("python_mnist_loader"):
        return loaded
    try:
        file = importlib.metadata.distribution(PYTHON_MNIST).locate_file("mnist/loader.py")
    except ImportError as error:
        raise PeerMissingError("not installed") from error
    spec = importlib.util.spec_from_file_location("python_mnist_loader", str(file))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules["python_mnist_loader"] = module
    return module


if __name__ == "__main__":
    main()
