from re import ASCII as ASCII
from re import DOTALL as DOTALL
from re import IGNORECASE as IGNORECASE
from re import compile as compile  # noqa: A004 - name of the original
from re import fullmatch as fullmatch
from re import search as search
