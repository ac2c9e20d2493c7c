"""What a counselor is asked to do: one open task per kind and student, merged, assigned, closed."""
