"""Which way of telling a model where its tokens stand is better, and how sure are we?

Importing this package is cheap; torch and Lightning are imported by the parts that need them.
"""

__version__ = "0.3.0"
