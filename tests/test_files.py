import errno
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mnistlib.files import publish, publish_bytes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def test_a_new_file_is_written(path: Path) -> None:
    publish_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_an_old_file_is_replaced(path: Path) -> None:
    path.write_bytes(b"old and longer")
    publish_bytes(str(path), b"new")
    assert path.read_bytes() == b"new"


def test_a_path_relative_to_the_working_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    publish_bytes(path.name, b"new")
    assert path.read_bytes() == b"new"


def test_the_old_file_stays_until_the_block_ends(path: Path) -> None:
    path.write_bytes(b"old")
    with publish(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def write_half_and_raise(path: Path, error: type[BaseException]) -> None:
    with publish(path) as file:
        file.write(b"new")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_in_the_block_leaves_the_old_file_and_nothing_else(path: Path, error: type[BaseException]) -> None:
    path.write_bytes(b"old")
    with pytest.raises(error):
        write_half_and_raise(path, error)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_of_the_system_names_the_file_that_the_caller_knows_and_no_other(path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device") as caught, publish(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(caught.value).endswith(f"device: {str(path)!r}")


def test_an_error_in_the_block_leaves_no_new_file(path: Path) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - it has no message
        write_half_and_raise(path, ValueError)
    assert not list(path.parent.iterdir())


def test_a_killed_writer_leaves_the_old_file(path: Path) -> None:
    path.write_bytes(b"old")
    code = """
import sys
from mnistlib.files import publish
with publish(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("written", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.kill()
    assert path.read_bytes() == b"old"


def test_of_two_writers_the_later_one_wins_whole(path: Path) -> None:
    with publish(path) as first:
        first.write(b"first, and longer")
        with publish(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first, and longer"


def test_a_symbolic_link_is_followed(path: Path) -> None:
    path.write_bytes(b"old")
    link = path.with_name("link")
    link.symlink_to(path)
    publish_bytes(link, b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"


def test_a_symbolic_link_to_nothing_yet_is_followed(path: Path) -> None:
    link = path.with_name("link")
    link.symlink_to(path)
    publish_bytes(link, b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        publish_bytes(path, b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("name", ["n" * 255, "\u6570" * 85, "\N{GRINNING FACE}" * 63])
def test_a_name_may_be_as_long_as_the_system_allows(path: Path, name: str) -> None:
    publish_bytes(path.with_name(name), b"new")
    assert path.with_name(name).read_bytes() == b"new"


def test_a_folder_is_refused(path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="pass the path of a file"):
        publish_bytes(path.parent, b"new")


def test_a_missing_folder_stays_file_not_found(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        publish_bytes(path / "file", b"new")
    assert not list(path.parent.iterdir())


def test_a_read_only_folder_keeps_its_old_file() -> None:
    # In a process that is not root, because permissions do not apply to root, and in an accessible folder.
    code = """
import os, sys
from mnistlib.files import publish_bytes
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    publish_bytes(sys.argv[1], b"new")
except PermissionError:
    print("refused")
"""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "file")
        path.write_bytes(b"old")
        path.parent.chmod(0o555)
        result = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
        assert result.stdout == "refused\n", result.stderr
        assert path.read_bytes() == b"old"
        assert list(path.parent.iterdir()) == [path]
        path.parent.chmod(0o755)


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="needs /dev/stdout")
class TestStandardOutput:
    CODE = "import sys; from mnistlib.files import publish_bytes; publish_bytes(sys.argv[1], b'new'); print('more')"

    @pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1"])
    def test_is_written_to_where_it_is_a_pipe(self, name: str) -> None:
        result = subprocess.run([sys.executable, "-c", self.CODE, name], stdout=subprocess.PIPE, check=True)
        assert result.stdout == b"newmore\n"
        assert Path(name).exists()

    def test_is_not_replaced_where_it_is_a_file(self, path: Path) -> None:
        with path.open("ab") as file:
            subprocess.run([sys.executable, "-c", self.CODE, "/dev/stdout"], stdout=file, check=True)
        assert path.read_bytes() == b"newmore\n"


def test_a_named_pipe_is_written_to_and_stays(path: Path) -> None:
    os.mkfifo(path)
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as pipe:
        publish_bytes(path, b"new")
        assert pipe.read() == b"new"
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_the_null_device_is_written_to_and_stays() -> None:
    publish_bytes(os.devnull, b"new")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
