"""The service behind /api/posts."""
