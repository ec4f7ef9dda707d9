"""Named data sets of labelled images, and folders of IDX files that look like them.

catalog    names, files, digests, mirrors, classes: the one table
dataset    Dataset and Split: arrays that fit each other
folder     which file in a folder is which
cache      raw bytes kept under their digest, so that the second load is a memory map
download   mirrors in order, verified, then published
loading    load_dataset: all of these together
"""

from mnistlib.datasets.catalog import CATALOG, DIGITS, NAMES
from mnistlib.datasets.dataset import Dataset, Split
from mnistlib.datasets.loading import default_data_folder, fetch_dataset, load_dataset

__all__ = ["CATALOG", "DIGITS", "NAMES", "Dataset", "Split", "default_data_folder", "fetch_dataset", "load_dataset"]
