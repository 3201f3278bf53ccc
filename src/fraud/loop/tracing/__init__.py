"""Where an answer comes from: the log, the history of locks, and doing it again."""
