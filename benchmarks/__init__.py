"""The measured figures, and the peers that they are measured against."""
