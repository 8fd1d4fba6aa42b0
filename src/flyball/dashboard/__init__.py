"""What an application does, live, on one page."""
