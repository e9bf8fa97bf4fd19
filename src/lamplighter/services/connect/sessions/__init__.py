"""Sessions of devices that outlive the process: stored with the first effect, loaded when the device speaks."""
