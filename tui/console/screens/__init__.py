"""What the operator sees: one module per screen."""
