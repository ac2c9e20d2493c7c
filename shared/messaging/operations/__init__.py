"""What people on duty do with events: dead letters, replays, rebuilding projections, retention."""
