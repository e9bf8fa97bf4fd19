"""Who issues devices' certificates: the installation's own authority or others', and the renewal of what they issued."""
