from .replication import or_failure as or_failure
from .replication import replicate as replicate
from .run import study as study
from .summary import Study as Study

__all__ = [
    "Study",
    "or_failure",
    "replicate",
    "study",
]
