"""RabbitMQ: publishing and consuming by the batch, what is declared in the broker, and whom it lets in."""
