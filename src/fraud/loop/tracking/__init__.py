"""What MLflow is told: the commits, what they say, and how it is kept there."""
