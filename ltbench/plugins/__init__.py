"""The plugin layer: hook specifications, discovery, registries and the classes plugins build on."""
