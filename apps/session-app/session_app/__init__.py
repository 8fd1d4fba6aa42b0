"""Session app: counts views per visitor and keeps uploads; any copy can serve any visitor and any file."""
