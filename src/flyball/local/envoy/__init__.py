"""The balancer: Envoy, fed through files. "Cluster" is an Envoy word and stays in this folder."""
