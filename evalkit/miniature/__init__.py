"""A small drawn world and small trained checkpoints, so that every adapter runs for real anywhere."""
