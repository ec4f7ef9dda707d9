"""The same job here and on a cluster of Azure Machine Learning: one word is different, the coefficients are not.

With ``config.json`` of a workspace in this folder it runs there. Without one it runs on the emulator of the service
that comes with ``pip install "mnistlib[azureml,testing]"``: the same SDK, the same requests, no account, no network.
``--backend azureml-v2`` goes by the second SDK, with the extra ``azureml-v2``; the emulator's nodes then need
azureml-mlflow, which real ones install.
"""

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

import mnistlib

JOB = mnistlib.TrainJob(dataset="digits", regularization=0.5)


def main() -> None:
    """Run the job on both and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="azureml", help="what to compare with (default: %(default)s)")
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
