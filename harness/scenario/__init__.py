"""Text → Scenario: YAML with line marks, located errors, did-you-mean, triggers."""
