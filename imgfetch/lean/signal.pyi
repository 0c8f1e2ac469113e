from signal import *  # noqa: F403 - all of it
