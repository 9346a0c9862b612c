"""What the operator sees: one module per screen, and the state they all paint from."""
