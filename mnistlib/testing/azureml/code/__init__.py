"""Code: the snapshots of azureml-core, the codes of azure-ai-ml."""
