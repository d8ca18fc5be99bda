"""Modifiers of training: averages of weights, and steps that look at sharpness."""
