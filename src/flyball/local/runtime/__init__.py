"""A running application: the runtime that holds it together, and how it starts."""
