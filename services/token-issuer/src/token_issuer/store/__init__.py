"""Where accounts and keys are kept: SQLAlchemy, with secrets sealed by the vault."""
