"""Replication of buckets between regions: all objects reach all regions, the last writer wins, nothing is halved."""
