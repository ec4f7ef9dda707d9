"""Environments: their definitions, and the interpreters built from them."""
