"""Pictures: untrusted bytes decoded, and arrays drawn."""
