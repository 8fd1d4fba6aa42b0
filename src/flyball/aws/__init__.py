"""World 3: the application as AWS resources. AWS runs its own loop there; this only says what it will do."""
