"""What attribution maps add to an audit; they have no say in its verdict."""
