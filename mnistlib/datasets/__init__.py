"""Named data sets of labelled images, and folders of IDX files in the same layout.

catalog    table of names, files, digests, mirrors and classes
dataset    Dataset and Split: checked arrays of images and labels
folder     detection of a data set's files in a folder
cache      uncompressed bytes stored by digest, for loading as a memory map
download   verified download from the mirrors
loading    load_dataset and fetch_dataset
"""

from typing import TYPE_CHECKING

from mnistlib.datasets.catalog import CATALOG, DIGITS, NAMES
from mnistlib.lazy import lazy_names

if TYPE_CHECKING:
    from mnistlib.datasets.dataset import Dataset, Split
    from mnistlib.datasets.loading import default_data_folder, fetch_dataset, load_dataset

__all__ = ["CATALOG", "DIGITS", "NAMES", "Dataset", "Split", "default_data_folder", "fetch_dataset", "load_dataset"]

# Lazy, because options import the catalog and are parsed without NumPy.
if not TYPE_CHECKING:  # a type checker would accept any name
    __getattr__ = lazy_names(
        __name__,
        dict.fromkeys(["Dataset", "Split"], "mnistlib.datasets.dataset")
        | dict.fromkeys(["default_data_folder", "fetch_dataset", "load_dataset"], "mnistlib.datasets.loading"),
    )
