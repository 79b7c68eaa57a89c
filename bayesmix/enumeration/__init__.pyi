from .bootstrap_test import BootstrapTest as BootstrapTest
from .bootstrap_test import lr_test as lr_test
from .fits import Enumeration as Enumeration
from .fits import enumerate_classes as enumerate_classes
from .fits import with_classes as with_classes
from .invariance_steps import Invariance as Invariance
from .invariance_steps import invariance as invariance
from .structures import Structures as Structures
from .structures import enumerate_structures as enumerate_structures
from .vuong import VuongTest as VuongTest
from .vuong import vuong_test as vuong_test

__all__ = [
    "BootstrapTest",
    "Enumeration",
    "Invariance",
    "Structures",
    "VuongTest",
    "enumerate_classes",
    "enumerate_structures",
    "invariance",
    "lr_test",
    "vuong_test",
    "with_classes",
]
