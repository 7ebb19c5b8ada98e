"""The queues of background jobs; `worker` runs each with threads of its own."""

# For what may wait long for something outside, such as a receiver or a storage.
SLOW_QUEUE = "delivering"
