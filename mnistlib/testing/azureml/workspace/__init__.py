"""The workspace: login, discovery, description and secrets."""
