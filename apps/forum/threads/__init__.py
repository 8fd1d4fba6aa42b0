"""The service behind /api/threads, and the front page."""
