"""How many instances: alarms, policies, cooldowns and warm-up as AWS has them."""
