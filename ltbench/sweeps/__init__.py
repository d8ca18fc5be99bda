"""Many runs at once: sweep files, estimates of time, the record of a sweep, and tuning."""
