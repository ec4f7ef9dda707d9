"""What all jobs share: they are frozen data, checked when they are made, and JSON both ways."""

import json
import os
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, ClassVar, Self

from mnistlib.errors import JobError
from mnistlib.options import check_options

_TYPES: dict[str, type["Job"]] = {}


@dataclass(frozen=True, kw_only=True)
class Job:
    """Something to run, as data.

    Attributes
    ----------
    type : str
        What the kind of job is called in JSON.
    """

    type: ClassVar[str]

    def __post_init__(self) -> None:
        for field in fields(self):  # numbers out of an array become plain ones, which JSON can hold
            value = getattr(self, field.name)
            if hasattr(value, "dtype") and hasattr(value, "tolist"):
                object.__setattr__(self, field.name, value.tolist())
        check_options(self)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _TYPES[cls.type] = cls

    def to_json(self) -> str:
        """Return the job as JSON text."""
        return json.dumps({"type": self.type, **asdict(self)}, indent=2)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a job back from JSON text.

        Raises
        ------
        JobError
            If it is not a JSON object, has a key that is unknown (the message lists the known ones), or a value that
            is not allowed.
        """
        content = _parse(text)
        if content.pop("type", cls.type) != cls.type:
            raise JobError(f'a {cls.type} job must be a JSON object whose "type" is "{cls.type}"')
        return cls.from_content(content)

    @classmethod
    def from_content(cls, content: dict[str, Any]) -> Self:
        """Read a job from parsed JSON without its type; see :meth:`from_json`."""
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(content) - set(known))
        if unknown:
            raise JobError(
                f"unknown keys in a {cls.type} job: {', '.join(unknown)}. The known ones: {', '.join(known)}"
            )
        needed = [field.name for field in fields(cls) if field.default is MISSING and field.default_factory is MISSING]
        missing = [name for name in needed if name not in content]
        if missing:
            raise JobError(f"a {cls.type} job needs {', '.join(missing)}")
        return cls(**content)


def job_from_json(text: str | bytes) -> Job:
    """Read a job of any type back from JSON text.

    Raises
    ------
    JobError
        If it is not a job.
    """
    content = _parse(text)
    kind = content.pop("type", None)
    if not isinstance(kind, str) or kind not in _TYPES:
        raise JobError(f'the "type" of a job must be one of {", ".join(_TYPES)}, not {kind!r}')
    return _TYPES[kind].from_content(content)


def _parse(text: str | bytes) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise JobError(f"a job must be JSON: {error}") from error
    if not isinstance(content, dict):
        raise JobError("a job must be a JSON object")
    return content


def require_path(job: Job, name: str, *, optional: bool = False) -> None:
    """Make a path of any kind text, which JSON can hold, and refuse what is none."""
    value: Any = getattr(job, name)
    if isinstance(value, os.PathLike):
        object.__setattr__(job, name, os.fspath(value))
    elif not (optional and value is None):
        require_type(job, name, str)


def require_type(job: Job, name: str, kind: type) -> None:
    """Refuse a value that is not of a type."""
    value: Any = getattr(job, name)
    if not isinstance(value, kind):
        raise JobError(f"{name} must be of type {kind.__name__}, not {value!r}")
