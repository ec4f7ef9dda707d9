"""What the backends for Azure Machine Learning share, whatever the SDK."""
