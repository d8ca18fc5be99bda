"""Backbones: any model of timm, and the small CNN of the digits benchmarks."""
