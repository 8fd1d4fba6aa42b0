"""The service behind /api/users."""
