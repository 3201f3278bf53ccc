"""Fraud detection in which git is the deployment."""
