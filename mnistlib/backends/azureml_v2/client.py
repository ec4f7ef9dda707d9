"""The client of azure-ai-ml, and what it says unasked."""

import logging
import os
from typing import Any

#: Loggers of the SDK -> the least that is worth hearing of them: one says where config.json was found, one which of the
#: SDK's own classes are experimental, used or not, and one that an endpoint is looked for.
_LEVELS = {
    "azure.ai.ml._ml_client": logging.WARNING,
    "azure.ai.ml._utils._experimental": logging.ERROR,
    "azure.ai.ml.operations._online_deployment_operations": logging.WARNING,
}


def open_client(config: str | os.PathLike[str] | None, credential: Any) -> Any:
    """Return the client of the workspace that a ``config.json`` describes, looked for from here if `config` is None."""
    from azure.ai.ml import MLClient

    quieten()
    path = None if config is None else os.fspath(config)
    # Every call of ours is tried again, so its own tries and pauses would only multiply. Progress is shown because
    # without it the SDK looks at no error of a file that it sends, and waits for that file for ever.
    return MLClient.from_config(credential, path=path, enable_telemetry=False, show_progress=True, retry_total=0)


def quieten() -> None:
    """Let the SDK say less."""
    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)
