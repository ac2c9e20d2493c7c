"""What runs in a worker process under nameko and eventlet: loops, their lifecycle, the process itself."""
