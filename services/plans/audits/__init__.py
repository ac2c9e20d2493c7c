"""What a plan's courses do for graduation: the rules, and the sentences that say it."""
