"""The OWASP Core Rule Set on this machine: a process judges requests, the balancer asks it about each."""
