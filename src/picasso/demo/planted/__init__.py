"""Small drawn scenes in which one thing can be tied to the class: what an audit is tried on."""
