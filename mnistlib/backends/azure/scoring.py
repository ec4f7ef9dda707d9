"""Error responses of Microsoft's scoring servers, which need a class of these servers."""

import importlib
from typing import Any

from mnistlib.serving.refusals import Refusal

#: Modules with that class, ``AMLResponse``: in the current server, and in older images.
_MODULES = ("azureml_inference_server_http.api.aml_response", "azureml.contrib.services.aml_response")


def refused(refusal: Refusal) -> Any:
    """Return the server's response to a refused request.

    If the server has no class for it, raise the refusal: the server then answers 500.
    """
    for module in _MODULES:
        try:
            answer = importlib.import_module(module).AMLResponse
        except ImportError:
            continue
        return answer(refusal.content, refusal.status, json_str=True)
    raise refusal
