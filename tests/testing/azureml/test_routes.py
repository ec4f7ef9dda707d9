"""The route table: what it says is what the emulator answers, and what the documentation says."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from starlette.routing import Match

from mnistlib.testing.azureml import AzureMLEmulator
from mnistlib.testing.azureml.compute.clusters import Clusters, Timing
from mnistlib.testing.azureml.compute.nodes import Nodes
from mnistlib.testing.azureml.coverage import coverage_page
from mnistlib.testing.azureml.endpoints.scoring import Scorers
from mnistlib.testing.azureml.faults import Faults
from mnistlib.testing.azureml.jobs.sweeps import Sweeps
from mnistlib.testing.azureml.names import Names
from mnistlib.testing.azureml.resource import RouteEntry, Runtime
from mnistlib.testing.azureml.routes import AddressRoute, route_table, routed_path, routes_of
from mnistlib.testing.azureml.state import State
from tests.testing.azureml.steps import log_in

PAGE = Path(__file__).parents[3] / "docs" / "emulator-coverage.md"
REQUESTS = [
    (folder, method, entry) for folder, group in route_table().items() for entry in group for method in entry.methods
]


def sample_of(entry: RouteEntry, names: Names) -> str:
    """Return an address of a route, with "x" for every variable that is not the emulator's own."""
    own = {"region": names.region, "account": names.account, "WORKSPACE": names.resource}
    own |= {"workspace_id": names.workspace_id, "workspace": names.workspace}
    return re.sub(r"\{(\w+)(:path)?\}", lambda found: own.get(found[1], "x"), entry.address)


def test_the_page_is_the_table() -> None:
    regenerate = "python -m mnistlib.testing.azureml --coverage > docs/emulator-coverage.md"
    assert PAGE.read_text() == coverage_page(), f"the page is out of date: {regenerate}"


def test_no_route_is_declared_twice() -> None:
    declared = [(method, entry.address) for _, method, entry in REQUESTS]
    assert len(declared) == len(set(declared))


def test_every_entry_says_who_sends_it_and_why() -> None:
    for _, _, entry in REQUESTS:
        assert set(entry.clients.split(", ")) <= {"v1", "v2", "MLflow"}, entry
        assert entry.purpose.endswith("."), entry


def test_an_address_is_found_in_the_folder_of_its_resource() -> None:
    """A search for the words of an address that stand after the workspace ends in the right folder."""
    package = Path(__file__).parents[3] / "mnistlib" / "testing" / "azureml"
    for folder, _, entry in REQUESTS:
        source = "".join(file.read_text() for file in (package / folder).glob("*.py"))
        for word in re.findall(r"\w{5,}", re.sub(r"\{\w+(:path)?\}|^[^{/]*", "/", entry.address)):
            if word not in ("versions", "azureml", "windows", "azurecontainer", "inference"):
                assert word in source, f"{entry.address}: {word} is not in {folder}/"


@pytest.fixture
def routes(tmp_path: Path) -> Iterator[tuple[Names, list[AddressRoute]]]:
    state = State.kept_in(tmp_path, Faults())
    nodes = Nodes(state=state, reach=dict, environments="host", builder=dict, collect_seconds=0)
    clusters = Clusters(state, nodes, timing=Timing(), vm_quota=None)
    runtime = Runtime(state=state, clusters=clusters, sweeps=Sweeps(state, clusters), scorers=Scorers(nodes))
    yield state.names, routes_of(runtime)
    state.store.close()


def test_no_route_hides_another(routes: tuple[Names, list[AddressRoute]]) -> None:
    names, built = routes
    for _, method, entry in REQUESTS:
        host, slash, path = sample_of(entry, names).partition("/")
        scope = {"type": "http", "method": method, "path": routed_path(names, host, slash + path)}
        taken = [route.entry for route in built if route.matches(scope)[0] is Match.FULL]
        assert taken[:1] == ([] if entry.handler is None else [entry]), f"{method} {entry.address}"


def test_covered_routes_are_answered_and_the_others_refused(tmp_path: Path) -> None:
    with AzureMLEmulator(tmp_path) as service, requests.Session() as session:
        names = Names.kept_in(tmp_path)
        session.headers["Authorization"] = f"Bearer {log_in(service)}"
        for _, method, entry in REQUESTS:
            address = sample_of(entry, names)
            answer = session.request(method, f"https://{address}", json={}, timeout=30)
            assert (answer.status_code == 501) is (entry.handler is None), f"{method} {address}: {answer.text}"
            if entry.handler is None:
                assert answer.json()["message"] == f"the emulator does not cover {method} {address}"
