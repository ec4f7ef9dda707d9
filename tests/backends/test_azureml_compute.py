import pytest

from mnistlib import AmlComputeSpec, ComputeError, JobError
from mnistlib.backends.azure.calls import Calls
from mnistlib.backends.azure.compute import AmlCluster, FoundCompute
from mnistlib.backends.cloud.retries import RetryPolicy


def test_the_defaults_are_those_of_the_tutorial() -> None:
    spec = AmlComputeSpec()
    assert (spec.name, spec.min_nodes, spec.max_nodes, spec.vm_size) == ("cpu-cluster", 0, 4, "STANDARD_D2_V2")


def test_the_tutorials_variables_are_read_and_numbers_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"NAME": "mine", "MIN_NODES": "1", "MAX_NODES": "7", "SKU": "STANDARD_D3_V2"}.items():
        monkeypatch.setenv(f"AML_COMPUTE_CLUSTER_{name}", value)
    spec = AmlComputeSpec()
    assert (spec.name, spec.min_nodes, spec.max_nodes, spec.vm_size) == ("mine", 1, 7, "STANDARD_D3_V2")


def test_the_error_of_an_invalid_number_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AML_COMPUTE_CLUSTER_MAX_NODES", "four")
    with pytest.raises(JobError, match="AML_COMPUTE_CLUSTER_MAX_NODES must be a whole number, not 'four'"):
        AmlComputeSpec()


@pytest.mark.parametrize("name", ["", "ab", "1st", "a_b", "a b", "ends-", "x" * 25, "local", "AmlCompute"])
def test_a_name_that_azure_would_refuse_is_refused_before_any_request(name: str) -> None:
    with pytest.raises(JobError, match="a cluster's name must be 3 to 24 letters"):
        AmlComputeSpec(name=name)


@pytest.mark.parametrize("nodes", [{"min_nodes": 3, "max_nodes": 2}, {"max_nodes": 0}, {"min_nodes": -1}])
def test_contradictory_bounds_are_refused(nodes: dict[str, int]) -> None:
    with pytest.raises(JobError, match="min_nodes <= max_nodes"):
        AmlComputeSpec(**nodes)  # type: ignore[arg-type] # few options


class _Found(AmlCluster):
    """A cluster whose name is taken."""

    def __init__(self, found: FoundCompute) -> None:
        super().__init__(AmlComputeSpec(name="taken"), Calls(RetryPolicy()))
        self._found = found

    def _find(self) -> FoundCompute:
        return self._found

    def _sizes(self) -> list[str]:
        raise AssertionError("must not create a cluster")

    def _begin(self) -> None:
        raise AssertionError("must not create a cluster")

    def _status(self) -> None:
        return None

    def _remove(self) -> None:
        raise AssertionError("must not delete the cluster")


def test_the_name_of_another_kind_of_compute_is_refused() -> None:
    cluster = _Found(FoundCompute(kind="ComputeInstance", state="Succeeded"))
    with pytest.raises(ComputeError, match="taken is a ComputeInstance, not a cluster: choose another name"):
        cluster.ensure()


def test_the_error_of_a_failed_cluster_has_reason_and_advice() -> None:
    cluster = _Found(FoundCompute(kind="AmlCompute", state="Failed", errors=["no subnet", "no luck"]))
    with pytest.raises(
        ComputeError, match=r"cluster taken: no subnet; no luck\. Delete it with .* before the next try"
    ):
        cluster.ensure()
