"""Answers of a service's server that carry a status, which Microsoft's servers make of a class of their own."""

import importlib
from typing import Any

from mnistlib.serving.refusals import Refusal

#: Modules of that class, ``AMLResponse``: in the server of today, and in its older images.
_MODULES = ("azureml_inference_server_http.api.aml_response", "azureml.contrib.services.aml_response")


def refused(refusal: Refusal) -> Any:
    """Return the server's answer to a request that is refused.

    Raises
    ------
    Refusal
        The server has no such class, and answers 500.
    """
    for module in _MODULES:
        try:
            answer = importlib.import_module(module).AMLResponse
        except ImportError:
            continue
        return answer(refusal.content, refusal.status, json_str=True)
    raise refusal
