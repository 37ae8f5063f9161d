"""The form of the database: its tables and views, and the migrations that bring it up to date."""
