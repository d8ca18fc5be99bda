"""What a model is worth: metrics and the evaluator."""
