"""`flyball lab`: the workshop's sessions, step by step, each step checked on the running application."""
