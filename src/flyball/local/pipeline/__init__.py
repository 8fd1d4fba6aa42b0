"""The pipeline: what is pushed with git is built, tested, released and rolled out."""
