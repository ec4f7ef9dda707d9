"""Nothing but the emulator can be reached."""

import pytest
import requests

pytest.importorskip("azureml.core")

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import Submit, finished

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("address", ["https://example.com/", "https://example.com:8443/", "http://example.com/x"])
def test_nothing_else_can_be_reached(service: AzureMLEmulator, lookups: list[str], address: str) -> None:
    service.refused.clear()
    if address.startswith("https"):
        with pytest.raises(requests.exceptions.ProxyError, match="403 Refused by the emulator"):
            requests.get(address, timeout=10)
    else:
        assert requests.get(address, timeout=10).status_code == 403
    assert service.refused == ["example.com"]
    assert lookups == []
    service.refused.clear()


def test_a_job_reaches_nothing_else_either(service: AzureMLEmulator, submit: Submit) -> None:
    run = submit("import urllib.request; urllib.request.urlopen('https://example.org')")
    assert finished(run) == "Failed"
    assert "403 Refused by the emulator" in run.get_details()["error"]["error"]["message"]
    assert service.refused == ["example.org"]
    service.refused.clear()


def test_the_guard_sees_a_lookup(lookups: list[str]) -> None:
    import socket

    with pytest.raises(OSError, match=r"nowhere|Name|resolution|known"):
        socket.getaddrinfo("nowhere.invalid", 443)
    assert lookups == ["nowhere.invalid"]
    lookups.clear()
