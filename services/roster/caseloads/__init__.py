"""Which counselor, case manager or teacher is responsible for which student."""
