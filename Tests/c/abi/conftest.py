import pytest
from abi import ROOT


@pytest.fixture(scope="session")
def library():
    path = ROOT / "build/lib/libfocalloss.so"
    assert path.exists(), "no build/lib/libfocalloss.so: run make lib"
    return path
