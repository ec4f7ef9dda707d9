"""Options that both backends for Azure Machine Learning share."""

from dataclasses import dataclass

from mnistlib.backends.spec import Connection
from mnistlib.options import option

__all__ = ["WorkspaceConnection"]


@dataclass(frozen=True, kw_only=True)
class WorkspaceConnection(Connection):
    """Options of a backend of a workspace.

    Attributes
    ----------
    config : str or None
        A ``config.json`` of the workspace, or the folder where the search for one starts.
    """

    config: str | None = option(
        None, "config.json of the workspace, or the folder to search from (default: this folder)", metavar="FILE"
    )
