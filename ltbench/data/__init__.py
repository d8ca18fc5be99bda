"""Images on their way to the model: splits, the decode cache, samplers and augmentation."""
