"""Named data sets of labelled images, and folders of IDX files that look like them.

catalog    names, files, digests, mirrors, classes: the one table
dataset    Dataset and Split: arrays that fit each other
folder     which file in a folder is which
cache      raw bytes kept under their digest, so that the second load is a memory map
download   mirrors in order, verified, then published
loading    load_dataset: all of these together
"""

from typing import TYPE_CHECKING

from mnistlib.datasets.catalog import CATALOG, DIGITS, NAMES
from mnistlib.lazy import lazy_names

if TYPE_CHECKING:
    from mnistlib.datasets.dataset import Dataset, Split
    from mnistlib.datasets.loading import default_data_folder, fetch_dataset, load_dataset

__all__ = ["CATALOG", "DIGITS", "NAMES", "Dataset", "Split", "default_data_folder", "fetch_dataset", "load_dataset"]

# The catalog is for options too, which are parsed without NumPy.
__getattr__ = lazy_names(
    __name__,
    dict.fromkeys(["Dataset", "Split"], "mnistlib.datasets.dataset")
    | dict.fromkeys(["default_data_folder", "fetch_dataset", "load_dataset"], "mnistlib.datasets.loading"),
)
