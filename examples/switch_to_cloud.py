"""Run one job on this machine and on an Azure Machine Learning cluster, and compare the coefficients.

With a workspace's ``config.json`` in the current folder, the job runs in that workspace. Without one it runs on the
emulator (``pip install "mnistlib-ml[azureml,testing]"``): the same SDK, the same requests, no account, no network.
``--backend azureml-v2`` uses the second SDK, from the extra ``azureml-v2``. The emulator's nodes then need
azureml-mlflow; real nodes install it.
"""

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

import mnistlib

JOB = mnistlib.TrainJob(dataset="digits", regularization=0.5)


def main() -> None:
    """Run the job on both backends and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="azureml", help="backend to compare with (default: %(default)s)")
    other = parser.parse_args().backend
    with ExitStack() as stack:
        runs = stack.enter_context(tempfile.TemporaryDirectory())
        config = Path("config.json")
        if not config.exists():
            from mnistlib.testing.azureml import AzureMLEmulator

            config = stack.enter_context(AzureMLEmulator()).config_path
        coefficients = []
        for name, options in (("local", {}), (other, {"config": config})):
            backend = mnistlib.get_backend(name, runs_folder=runs, **options)
            result = backend.run(JOB)
            print(f"{name:<10} {result.run_id:<32} accuracy {result.metrics['accuracy']:.4f}")
            coefficients.append(mnistlib.load_model(result.model_path).classifier.coef_)
        print("equal coefficients:", bool((coefficients[0] == coefficients[1]).all()))


if __name__ == "__main__":
    main()
