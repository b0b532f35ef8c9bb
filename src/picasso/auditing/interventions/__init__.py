"""The interventions of the audit, one file each."""
