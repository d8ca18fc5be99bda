"""What a network that was trained on the web is asked before any training."""
