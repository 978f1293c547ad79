"""What pyproject.toml cannot say: conf/ and Hydra's plugins are installed elsewhere than they lie."""

from setuptools import find_namespace_packages, find_packages, setup

setup(
    packages=[
        *find_packages(include=["embedlab", "embedlab.*"]),
        *("embedlab.conf", *(f"embedlab.conf.{folder}" for folder in find_namespace_packages("conf"))),
        "hydra_plugins",  # beside those of other distributions: no __init__.py
    ],
    package_dir={"embedlab.conf": "conf", "hydra_plugins": "embedlab/sweep/hydra_plugins"},
)
