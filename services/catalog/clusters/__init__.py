"""The sixteen career clusters students choose from."""
