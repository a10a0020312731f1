"""Floor 2: trained models that score documents."""
