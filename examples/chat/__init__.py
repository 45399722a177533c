"""A conversation about the documents of a folder, kept in an SQLite file: see `__main__`."""
