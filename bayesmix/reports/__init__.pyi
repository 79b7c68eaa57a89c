from .documents import check_target as check_target
from .documents import export as export
from .gallery import Picture as Picture
from .gallery import of_comparison as of_comparison
from .gallery import of_enumeration as of_enumeration
from .gallery import of_study as of_study
from .gallery import pictures as pictures
from .page import to_html as to_html
from .saved import load as load
from .tidy import Reported as Reported
from .tidy import tables as tables

__all__ = [
    "Picture",
    "Reported",
    "check_target",
    "export",
    "load",
    "of_comparison",
    "of_enumeration",
    "of_study",
    "pictures",
    "tables",
    "to_html",
]
