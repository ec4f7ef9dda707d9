"""A pytest fixture with a running emulator; import it in your own ``conftest.py``.

::

    from mnistlib.testing.azureml.fixtures import azureml_service

    def test_submission(azureml_service):
        workspace = Workspace.from_config(azureml_service.config_path)
"""

from collections.abc import Iterator

import pytest

from mnistlib.testing.azureml.emulator import AzureMLEmulator


@pytest.fixture(scope="session")
def azureml_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureMLEmulator]:
    """Run an emulator for the whole session, with another HOME, so that the SDK stores nothing in yours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        with AzureMLEmulator(tmp_path_factory.mktemp("azureml")) as service:
            yield service
