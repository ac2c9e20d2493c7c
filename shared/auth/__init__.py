"""Who somebody is, and what they may do: tokens, the relationship projection, one decision, one filter."""
