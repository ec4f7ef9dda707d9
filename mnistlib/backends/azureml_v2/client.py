"""Client of azure-ai-ml, with its log messages reduced."""

import logging
import os
from typing import Any

#: Loggers of the SDK -> minimum level. The levels suppress the path of config.json, warnings about experimental
#: classes, used or not, and a message for each lookup of an endpoint.
_LEVELS = {
    "azure.ai.ml._ml_client": logging.WARNING,
    "azure.ai.ml._utils._experimental": logging.ERROR,
    "azure.ai.ml.operations._online_deployment_operations": logging.WARNING,
}


def open_client(config: str | os.PathLike[str] | None, credential: Any) -> Any:
    """Return the client of the workspace of a ``config.json``; None searches from the current folder."""
    from azure.ai.ml import MLClient

    quieten()
    path = None if config is None else os.fspath(config)
    # retry_total=0: this package retries every call, so that the SDK's retries would multiply. show_progress=True:
    # without it the SDK ignores an error of an upload and waits forever.
    return MLClient.from_config(credential, path=path, enable_telemetry=False, show_progress=True, retry_total=0)


def quieten() -> None:
    """Reduce the SDK's log messages."""
    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)
