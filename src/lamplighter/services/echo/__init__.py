"""Device Echo: what each device last said of its resources, and what applications asked it to write."""
