"""Scenario → cells, seeds, places, expectations per cell and place, health warnings."""
