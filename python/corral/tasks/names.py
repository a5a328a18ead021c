"""Names and bounds that both the models and the model-less store need."""

NAME_CHARS_MAX = 128  # queue and backend names
MAX_CRASHES_DEFAULT = 2  # a job fails when its process has died so many times under it
RETENTION_DEFAULT_S = 7 * 86_400  # of successful jobs
FAILED_RETENTION_DEFAULT_S = 30 * 86_400
