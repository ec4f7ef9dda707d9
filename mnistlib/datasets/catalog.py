"""Catalog of the named data sets: the single table of their files, digests, mirrors and classes.

Sources: the digests of MNIST were computed from its files. The digests of Fashion-MNIST and Kuzushiji-MNIST are
identical in several public loaders. The mirrors are those of torchvision, Keras and the authors of the data sets.
"""

from dataclasses import dataclass

#: Roles of the four files of a data set, in reading order.
ROLES = ("train-images", "train-labels", "test-images", "test-labels")

#: Name of the data set in scikit-learn, which needs no files.
DIGITS = "digits"

_PUBLISHED_STEM = {
    "train-images": "train-images-idx3-ubyte",
    "train-labels": "train-labels-idx1-ubyte",
    "test-images": "t10k-images-idx3-ubyte",
    "test-labels": "t10k-labels-idx1-ubyte",
}


@dataclass(frozen=True)
class CatalogFile:
    """One published file; its SHA-256 digests are in hexadecimal."""

    name: str  # as published, ending in ``.gz``
    gzip_sha256: str  # of the published file
    raw_sha256: str | None = None  # of the uncompressed bytes, if known; it identifies a file that was compressed again


@dataclass(frozen=True)
class CatalogEntry:
    """One data set known by name."""

    name: str
    classes: tuple[str, ...]  # names of the labels 0, 1, 2 …
    files: dict[str, CatalogFile]  # the four files by role
    mirrors: tuple[str, ...]  # addresses of folders with the files, in the order of use


def _files(*digests: tuple[str, str | None]) -> dict[str, CatalogFile]:
    return {
        role: CatalogFile(f"{_PUBLISHED_STEM[role]}.gz", gzip_sha256, raw_sha256)
        for role, (gzip_sha256, raw_sha256) in zip(ROLES, digests, strict=True)
    }


CATALOG: dict[str, CatalogEntry] = {
    entry.name: entry
    for entry in (
        CatalogEntry(
            name="mnist",
            classes=tuple("0123456789"),
            files=_files(
                (
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                ),
                (
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                ),
                (
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                ),
                (
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                ),
            ),
            mirrors=(
                "https://ossci-datasets.s3.amazonaws.com/mnist",
                "https://storage.googleapis.com/cvdf-datasets/mnist",
                "https://raw.githubusercontent.com/fgnt/mnist/master",
            ),
        ),
        CatalogEntry(
            name="fashion-mnist",
            classes=(
                "T-shirt/top",
                "Trouser",
                "Pullover",
                "Dress",
                "Coat",
                "Sandal",
                "Shirt",
                "Sneaker",
                "Bag",
                "Ankle boot",
            ),
            files=_files(
                ("3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", None),
                ("a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", None),
                ("346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", None),
                ("67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", None),
            ),
            mirrors=(
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
                "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
            ),
        ),
        CatalogEntry(
            name="kmnist",
            classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
            files=_files(
                ("51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4", None),
                ("e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17", None),
                ("edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5", None),
                ("20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c", None),
            ),
            mirrors=("https://codh.rois.ac.jp/kmnist/dataset/kmnist",),
        ),
    )
}

#: Names of all data sets of ``load_dataset``.
NAMES = (DIGITS, *CATALOG)
