"""How hypothesis searches: the same cases every time in the suite, far more of them by hand.

python -m pytest tests/whole/test_properties.py --hypothesis-profile=thorough
"""

from hypothesis import HealthCheck, settings

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]  # a model file takes a while to check

settings.register_profile("suite", derandomize=True, deadline=None, max_examples=40, suppress_health_check=SLOW)
settings.register_profile(
    "thorough", derandomize=False, deadline=None, max_examples=1500, print_blob=True, suppress_health_check=SLOW
)
settings.load_profile("suite")
