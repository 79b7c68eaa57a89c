from .bootstrap_test import BootstrapTest as BootstrapTest
from .bootstrap_test import lr_test as lr_test
from .fits import Enumeration as Enumeration
from .fits import enumerate_classes as enumerate_classes
from .fits import with_classes as with_classes
from .vuong import VuongTest as VuongTest
from .vuong import vuong_test as vuong_test

__all__ = [
    "BootstrapTest",
    "Enumeration",
    "VuongTest",
    "enumerate_classes",
    "lr_test",
    "vuong_test",
    "with_classes",
]
