"""Speed and accuracy as measured on this machine; never part of the tests."""
