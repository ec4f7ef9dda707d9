"""Property-test an IDX loader of your own with mnistlib's Hypothesis strategies (extra: testing)."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mnistlib.testing import DamagedFile, IdxFile, damaged_idx_files, idx_arrays, idx_files


def careless_loader(content: bytes) -> np.ndarray:
    """Read labels without any check of the header."""
    return np.frombuffer(content[8:], np.uint8)


LABELS = idx_arrays(dtypes=st.just(np.dtype(np.uint8)), shapes=st.tuples(st.integers(0, 20)))


@settings(database=None)
@given(idx_files(arrays=LABELS, compression="plain"))
def reads_what_was_written(file: IdxFile) -> None:
    """Test that the loader returns the array of a well-formed file."""
    assert np.array_equal(careless_loader(file.content), file.array)


@settings(database=None, report_multiple_bugs=False)
@given(damaged_idx_files(arrays=LABELS, compression="plain"))
def refuses_damage(file: DamagedFile) -> None:
    """Test that the loader refuses a damaged file."""
    try:
        careless_loader(file.content)
    except ValueError:
        return
    raise AssertionError(f"accepted a file with {file.damage}")


reads_what_was_written()
print("the careless loader reads good files")
try:
    refuses_damage()
except AssertionError as caught:
    print(f"and fails the test with damaged files: {caught}")
