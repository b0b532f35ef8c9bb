"""The pages and files that an audit is shown and saved as."""
