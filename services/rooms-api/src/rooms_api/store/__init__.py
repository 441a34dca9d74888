"""The database: tables and migrations, loading and saving rooms by compare-and-set, and the queries behind REST."""
