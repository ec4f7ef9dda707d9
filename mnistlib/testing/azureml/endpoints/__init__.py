"""Endpoints: deployed models, as web services or online endpoints."""
