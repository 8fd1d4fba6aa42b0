"""World 1: this machine, wall clock, real processes behind a real balancer."""
