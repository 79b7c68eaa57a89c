from .arguments import template as template
from .commands import main as main
from .read import read_table as read_table
from .study_file import read_study as read_study

__all__ = [
    "main",
    "read_study",
    "read_table",
    "template",
]
