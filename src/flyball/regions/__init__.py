"""Several regions on this machine: each an application of its own, and the edge that leads visitors to one of them."""
