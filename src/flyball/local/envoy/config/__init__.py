"""Envoy's configuration as plain values: pure functions of the application and its targets."""
