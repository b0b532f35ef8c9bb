"""What lies inside a network: its layers, channels, tokens and kernels, and what each depends on."""
