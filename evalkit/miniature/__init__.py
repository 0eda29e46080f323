"""A small drawn world and small trained checkpoints: every adapter runs for real anywhere."""
