"""Open-loop load: requests are sent when they are due, latency counts from then."""
