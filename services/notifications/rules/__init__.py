"""From event to notice and task: the rules as data, and following them."""
